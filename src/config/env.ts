/** The variables of the process, handed in by the edge that reads them. */
export type Env = Readonly<Record<string, string | undefined>>;
