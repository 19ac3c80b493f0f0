import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Every comparison that stands between a stale or foreign write and a record, and what its file looks like without
 * it. A comparison is not cut out but made to have no say (`… or true`): parameters keep their types, and a mutant
 * that only does not parse would be killed by any test.
 */

export type Subject = 'memory' | 'redis' | 'postgres';

export type Mutant = {
  readonly subject: Subject;
  /** From the root of the repository. */
  readonly path: string;
  readonly line: number;
  /** The comparison, and what became of it. */
  readonly what: string;
  readonly text: string;
  /** Which of the same in its file, from 1. */
  readonly nth: number;
};

type Found = Omit<Mutant, 'nth'>;

type Language = {
  readonly and: string;
  readonly or: string;
  /** Where a condition begins in a text; the pattern ends right before it. */
  readonly begins: RegExp;
  /** The index right behind the condition that begins at `from`. */
  readonly endOf: (text: string, from: number) => number;
  /** A condition that guards: without it the step goes on. In SQL the parts guard, and never the whole. */
  readonly whole: 'guards' | 'parts-guard';
  readonly isFence: RegExp;
};

const STEPS = [
  'claim',
  'dispatch',
  'renew',
  'complete',
  'release',
  'release-owner',
  'park',
  'resolve',
  'reseal',
  'forget',
] as const;

const LUA: Language = {
  and: ' and ',
  or: ' or ',
  begins: /\b(?:else)?if /g,
  endOf: (text, from) => text.indexOf(' then', from),
  whole: 'guards',
  isFence: /record\[|\bstate\b|lease_left_ms|since_ms|'forced'/,
};

const SQL: Language = {
  and: ' AND ',
  or: ' OR ',
  // A step may judge in a column of its own, such as `may_go`.
  begins: /\bWHERE |\bSELECT (?=r\.\w+ <= c\.now_us OR )/g,
  endOf: (text, from) => {
    let depth = 0;
    for (let at = from; at < text.length; at += 1) {
      if (text[at] === '(') depth += 1;
      if (text[at] === ')') depth -= 1;
      if (
        depth < 0 ||
        (depth === 0 && /^\s+(?:RETURNING|ORDER BY|ON CONFLICT|LIMIT|FOR|AS)\b/.test(text.slice(at, at + 40)))
      )
        return at;
    }
    return text.trimEnd().length;
  },
  whole: 'parts-guard',
  isFence: /\.token\b|\.owner\b|\.state\b|lease_until_us|expires_at_us|unknown_since_us|'forced'/,
};

const TYPESCRIPT: Language = {
  and: ' && ',
  or: ' || ',
  begins: /\bif \(|\breturn (?=[^;?\n]*(?:[!=]==|[<>]=?) [^;?\n]* \? )/g,
  endOf: (text, from) => {
    if (!text.slice(0, from).endsWith('(')) return text.indexOf(' ? ', from);
    let depth = 1;
    let at = from;
    for (; depth > 0; at += 1) depth += text[at] === '(' ? 1 : text[at] === ')' ? -1 : 0;
    return at - 1;
  },
  whole: 'guards',
  isFence: /token|owner|state|standing|stands\b|expiresAtMs|leaseLeftMs|epoch|unknownForMs|how ===/,
};

export function fenceMutants(root: string): readonly Mutant[] {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  const typescript = ['src/core/transition.ts', 'src/core/standing.ts'].flatMap((path) => [
    ...mutantsOf('memory', path, read(path), TYPESCRIPT),
    ...answersSwapped(path, read(path)),
  ]);
  const stores = STEPS.flatMap((step) => {
    const [lua, sql] = [`src/store/redis/lua/${step}.lua`, `src/store/postgres/sql/${step}.sql`];
    return [
      ...mutantsOf('redis', lua, read(lua), LUA),
      ...mutantsOf('postgres', sql, read(sql), SQL),
      ...membersDropped(sql, read(sql)),
    ];
  });
  const seen = new Map<string, number>();
  return [...typescript, ...stores].map((found) => {
    const nth = (seen.get(`${found.path} ${found.what}`) ?? 0) + 1;
    seen.set(`${found.path} ${found.what}`, nth);
    return { ...found, nth };
  });
}

function mutantsOf(subject: Subject, path: string, text: string, language: Language): readonly Found[] {
  const found: Found[] = [];
  const code = blanked(text, language);
  for (const match of code.matchAll(language.begins)) {
    const from = match.index + match[0].length;
    for (const part of partsOf(code, from, language.endOf(code, from), language)) {
      const comparison = text.slice(part.from, part.end);
      // Without its look at null a step would only fail loudly.
      if (!language.isFence.test(comparison) || comparison.includes('=== null')) continue;
      const says = part.within === 'and' ? `${language.or}true` : `${language.and}false`;
      if (part.within === 'alone' && language.whole === 'parts-guard') continue;
      found.push({
        subject,
        path,
        line: text.slice(0, part.from).split('\n').length,
        what: `${comparison.replaceAll(/\s+/g, ' ')} has no say`,
        text: `${text.slice(0, part.from)}((${comparison})${says})${text.slice(part.end)}`,
      });
    }
  }
  return found;
}

type Part = { readonly from: number; readonly end: number; readonly within: 'and' | 'or' | 'alone' };

/** The whole condition, and every comparison in it. */
function partsOf(text: string, from: number, end: number, language: Language): readonly Part[] {
  const inner = split(text, from, end, language, 'alone');
  return inner.length > 1 ? [{ from, end, within: 'alone' }, ...inner] : inner;
}

/** `or` binds less than `and`, in all three languages. */
function split(
  text: string,
  from: number,
  end: number,
  language: Language,
  within: Part['within'],
): readonly Part[] {
  for (const word of ['or', 'and'] as const) {
    const cuts = cutsAt(text, from, end, language[word]);
    if (cuts.length === 0) continue;
    const edges = [from, ...cuts.flatMap((cut) => [cut, cut + language[word].length]), end];
    return cuts.concat(end).flatMap((_, i) => {
      const [a = from, b = end] = [edges[2 * i], edges[2 * i + 1]];
      return split(text, a, b, language, word);
    });
  }
  const group = /^\s*(?:not )?\(/.exec(text.slice(from, end));
  if (group !== null && text.slice(from, end).trimEnd().endsWith(')')) {
    const inside = split(
      text,
      from + group[0].length,
      text.slice(0, end).trimEnd().length - 1,
      language,
      within,
    );
    if (inside.length > 1) return inside;
  }
  const bare = text.slice(from, end);
  return [{ from: from + bare.length - bare.trimStart().length, end: from + bare.trimEnd().length, within }];
}

/** Where the word stands outside of every parenthesis. */
function cutsAt(text: string, from: number, end: number, word: string): readonly number[] {
  const cuts: number[] = [];
  let depth = 0;
  for (let at = from; at < end; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    // A line break before the word counts as its space.
    if (depth === 0 && text.slice(at, at + word.length).replace(/^\s/, ' ') === word) cuts.push(at);
  }
  return cuts;
}

/** Comments in spaces, so that every index stays. */
function blanked(text: string, language: Language): string {
  const comment = language === TYPESCRIPT ? /\/\/.*|\/\*[\s\S]*?\*\//g : /--.*/g;
  return text.replace(comment, (found) => found.replaceAll(/[^\n]/g, ' '));
}

/** A state that a step answers with ok, answered with lost, and the other way round. */
function answersSwapped(path: string, text: string): readonly Found[] {
  return [...text.matchAll(/((?:case '\w+':|default:)\s+)return (LOST|OK);/g)].map((match) => {
    const [whole, label = '', answer = ''] = match;
    const other = answer === 'LOST' ? 'OK' : 'LOST';
    return {
      subject: 'memory',
      path,
      line: text.slice(0, match.index + label.length).split('\n').length,
      what: `${label.trim()} return ${other}`,
      text:
        text.slice(0, match.index) + whole.replace(answer, other) + text.slice(match.index + whole.length),
    };
  });
}

/** `state IN (…)` without one of its states. */
function membersDropped(path: string, text: string): readonly Found[] {
  return [...blanked(text, SQL).matchAll(/state IN \(([^)]+)\)/g)].flatMap((match) => {
    const members = (match[1] ?? '').split(', ');
    return members.map((dropped): Found => {
      const left = members.filter((member) => member !== dropped).join(', ');
      return {
        subject: 'postgres',
        path,
        line: text.slice(0, match.index).split('\n').length,
        what: `${match[0]} without ${dropped}`,
        text: `${text.slice(0, match.index)}state IN (${left})${text.slice(match.index + match[0].length)}`,
      };
    });
  });
}
