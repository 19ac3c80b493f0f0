import type { z } from 'zod';
import { knownNames } from './json-schema.ts';
import { nearestName } from './near.ts';
import type { ConfigPath } from './tree.ts';

/** What the schema finds, in words for whoever wrote the file. */
export type Advice = {
  readonly path: ConfigPath;
  readonly message: string;
  /** Whether the name of the field is to blame, or its value, or that it is not there. */
  readonly about: 'name' | 'value' | 'absence';
};

type Issue = z.core.$ZodIssue;

/** `around`: where in the file the judged part stands. */
export function adviceOf(issues: readonly Issue[], around: ConfigPath): readonly Advice[] {
  return issues.flatMap((issue) => adviceOfOne(issue, around));
}

function adviceOfOne(issue: Issue, around: ConfigPath): readonly Advice[] {
  const path = [...around, ...issue.path.filter((step) => typeof step !== 'symbol')];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(
        (name): Advice => ({ path: [...path, name], message: unknownName(path, name), about: 'name' }),
      );
    case 'invalid_union': {
      const fitting = issue.errors
        .filter((branch) => !branch.some(isOtherKind))
        .sort((a, b) => a.length - b.length)[0];
      return fitting === undefined
        ? [{ path, message: issue.message, about: 'value' }]
        : adviceOf(fitting, path);
    }
    case 'invalid_key':
      return [{ path, message: issue.issues[0]?.message ?? issue.message, about: 'name' }];
    case 'invalid_type':
      return [{ path, message: issue.message, about: 'absence' }];
    default:
      return [{ path, message: issue.message, about: 'value' }];
  }
}

/** The value is not what this branch of a union is for; its complaints would be about another thing. */
function isOtherKind(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function unknownName(path: ConfigPath, name: string): string {
  const section = path.map((step) => (typeof step === 'number' ? '[]' : `.${step}`)).join('');
  const known = knownNames(section.replace(/^\./, ''));
  if (known.includes(name)) return 'does not go together with the other fields here; keep one';
  const near = nearestName(name, known);
  if (near !== null) return `is not a known field; did you mean ${near}?`;
  return known.length > 0 && known.length <= 12
    ? `is not a known field; known here: ${known.join(', ')}`
    : 'is not a known field';
}
