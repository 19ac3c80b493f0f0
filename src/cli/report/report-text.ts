type Body = Readonly<Record<string, unknown>>;

const GROUPS = ['executed', 'replayed', 'refused', 'parked', 'passed', 'notJudged'];

/** A block for each route. Null: there is no such route. */
export function reportText(body: Body, only: string | null): string | null {
  const routes = objects(body.routes).filter(({ route }) => only === null || route === only);
  if (routes.length === 0) return only === null ? NOTHING : null;
  return `since ${word(body.since)}\n${routes.map((route) => `\n${routeText(route)}`).join('')}`;
}

const NOTHING =
  'no route observes, and none did since the start; set mode: observe on a route or under defaults\n';

function routeText(route: Body): string {
  const counts = GROUPS.filter((group) => route[group] !== 0).map(
    (group) => `${group === 'notJudged' ? 'not judged' : group} ${word(route[group])}`,
  );
  const state = route.mode === 'observe' ? '' : route.mode === 'gone' ? ' (gone)' : ' (enforces now)';
  const ends = objects(route.ends);
  const width = Math.max(0, ...ends.map(({ end }) => word(end).length));
  return [
    `${word(route.route)}${state}: ${word(route.requests)} requests${counts.length === 0 ? '' : `: ${counts.join(', ')}`}`,
    ...ends.flatMap((end) => [
      `  ${word(end.end).padEnd(width)}  ${word(end.requests)}  ${word(end.meaning)}`,
      ...objects(end.examples).map(
        ({ recordKey, at, status }) =>
          `  ${' '.repeat(width)}    ${word(at)}  ${recordKey === null ? 'no key' : word(recordKey)}${answered(status)}`,
      ),
    ]),
    '',
  ].join('\n');
}

function answered(status: unknown): string {
  if (typeof status !== 'number') return '';
  return status === 0 ? '  no answer' : `  ${status}`;
}

function objects(value: unknown): readonly Body[] {
  return Array.isArray(value) ? value.map((one): Body => ({ ...one })) : [];
}

function word(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
