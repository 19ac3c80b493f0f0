/** What a command sees of the process; tests give their own. */
export type Io = {
  out(text: string): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls the listener at every such signal; returns how to take it back. */
  onSignal(names: readonly NodeJS.Signals[], listener: (name: NodeJS.Signals) => void): () => void;
  /** Ends the process at once. */
  exitNow(code: number): void;
  isTty(): boolean;
};
