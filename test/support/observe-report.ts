import { until } from './until.ts';

/** The answer of `GET /observe-report`, as far as tests look at it. */
export type ReportedRoute = {
  readonly route: string;
  readonly mode: string;
  readonly requests: number;
  readonly executed: number;
  readonly replayed: number;
  readonly refused: number;
  readonly parked: number;
  readonly ends: readonly {
    readonly end: string;
    readonly requests: number;
    readonly examples: readonly {
      readonly recordKey: string | null;
      readonly at: string;
      readonly status: number | null;
    }[];
  }[];
};

export async function reportOf(
  adminPort: number,
): Promise<{ readonly since: string; readonly routes: readonly ReportedRoute[] }> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/observe-report`);
  // The shape of src/admin/observe-report.ts.
  return (await answer.json()) as Awaited<ReturnType<typeof reportOf>>;
}

/** A request is counted after its answer went out. */
export async function untilReported(
  adminPort: number,
  route: string,
  fits: (route: ReportedRoute) => boolean,
): Promise<ReportedRoute> {
  return await until(`the report of ${route}`, async () => {
    const found = (await reportOf(adminPort)).routes.find((one) => one.route === route);
    return found !== undefined && fits(found) ? found : null;
  });
}
