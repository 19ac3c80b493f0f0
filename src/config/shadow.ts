import type { PathSegment, RouteMatch } from '../core/policy.ts';

/**
 * Whether every request that fits `later` also fits `earlier`, so that `later` never gets one. Sound, not complete: it
 * says `no` where it would have to think harder.
 */
export function shadows(earlier: RouteMatch, later: RouteMatch): 'yes' | 'no' {
  const methods =
    earlier.methods.length === 0 ||
    (later.methods.length > 0 && later.methods.every((name) => earlier.methods.includes(name)));
  if (!methods || !coversHost(earlier.host, later.host)) return 'no';
  const headers = earlier.headers.every((wanted) =>
    later.headers.some(
      ({ name, value }) => name === wanted.name && (wanted.value === null || wanted.value === value),
    ),
  );
  if (!headers) return 'no';
  if (earlier.path === null) return 'yes';
  return coversPath(earlier.path, later.path ?? [{ kind: 'rest' }]) ? 'yes' : 'no';
}

function coversHost(earlier: string | null, later: string | null): boolean {
  if (earlier === null || earlier === later) return true;
  return (
    later !== null &&
    earlier.startsWith('*.') &&
    later.endsWith(earlier.slice(1)) &&
    later !== earlier.slice(1)
  );
}

/** Row by row over both patterns, so that a hostile pair costs their product and no more. */
function coversPath(earlier: readonly PathSegment[], later: readonly PathSegment[]): boolean {
  // covered[j]: earlier from the row on covers later from j on. The first row is that of an earlier that is used up.
  let covered: boolean[] = Array.from({ length: later.length + 1 }, (_, j) => j === later.length);
  for (let i = earlier.length - 1; i >= 0; i--) {
    const wanted = earlier[i];
    const row: boolean[] = [];
    for (let j = later.length; j >= 0; j--) {
      const given = later[j];
      if (wanted?.kind === 'rest') row[j] = covered[j] === true || (j < later.length && row[j + 1] === true);
      else
        row[j] =
          wanted !== undefined &&
          given !== undefined &&
          coversSegment(wanted, given) &&
          covered[j + 1] === true;
    }
    covered = row;
  }
  return covered[0] === true;
}

function coversSegment(wanted: PathSegment, given: PathSegment): boolean {
  if (wanted.kind === 'literal') return given.kind === 'literal' && given.text === wanted.text;
  return given.kind === 'one' || (given.kind === 'literal' && given.text !== '');
}
