import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import type { Env } from './env.ts';
import { type Fault, faultAt } from './fault.ts';
import {
  type ConfigEntry,
  type ConfigMap,
  type ConfigNode,
  type ConfigPath,
  type Origin,
  pathText,
} from './tree.ts';
import { substitute } from './variables.ts';
import { yamlAdvice } from './yaml-advice.ts';

/** YAML text to a tree with positions; a hostile file costs no more than its limits. */

/** `root` is null where the text could not be read as a whole; its faults say why. */
export type ReadYaml = { readonly root: ConfigMap | null; readonly faults: readonly Fault[] };

export const FILE_BYTES_MAX = 1024 * 1024;
const DEPTH_MAX = 32;
const ALIASES_MAX = 50;
const NODES_MAX = 50_000;
const PUNCTUATION_MAX = 200_000;
const PUNCTUATION: ReadonlySet<number> = new Set(
  [...'\n[]{},:?-&*!"\'%#'].map((character) => character.charCodeAt(0)),
);
const VALUE_CHARS_MAX = 64 * 1024;
/** Setting one of them on an object changes what other code sees of it. */
const FORBIDDEN_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export function readYaml(text: string, file: string, env: Env): ReadYaml {
  const stop = (message: string): ReadYaml => ({ root: null, faults: [faultAt(file, 1, 1, '', message)] });
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) return stop('the file is larger than 1 MiB');
  if (punctuationOf(text) > PUNCTUATION_MAX)
    return stop(`the file has more than ${PUNCTUATION_MAX} lines, quotes, brackets and the like`);
  const lines = new LineCounter();
  // uniqueKeys compares every key with every other; the reader below does it with a set.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    merge: false,
    strict: true,
    version: '1.2',
    schema: 'core',
    // Below this a second document would pass without a word.
    logLevel: 'error',
  });
  const reader = new Reader(file, env, lines, (alias) =>
    isAlias(alias) ? (alias.resolve(document) ?? null) : null,
  );
  if (/^%/m.test(text)) {
    const at = /^%/m.exec(text)?.index ?? 0;
    reader.fault(at, [], 'a line that begins with "%" is a YAML directive; remove it');
  }
  for (const [index, error] of document.errors.entries()) {
    // After one slip the parser stumbles over whatever follows.
    if (index > 0 && error.code === 'UNEXPECTED_TOKEN') continue;
    reader.fault(error.pos[0], [], yamlAdvice(error.code, error.message, lineAt(text, error.pos[0])));
  }
  // A tree with syntax faults is half guessed; judging its content would report ghosts.
  if (reader.faults.length > 0) return { root: null, faults: reader.faults };
  const contents = document.contents;
  if (contents === null || (isScalar(contents) && contents.value === null)) {
    return stop('the file is empty; the least it needs is upstream: { url: http://127.0.0.1:3000 }');
  }
  const root = reader.node(contents, [], 0);
  if (root.kind !== 'map') return stop('the file must be a mapping of fields, such as upstream: and routes:');
  return { root, faults: reader.faults };
}

function lineAt(text: string, offset: number): string {
  const from = text.lastIndexOf('\n', Math.max(0, offset - 1)) + 1;
  const to = text.indexOf('\n', offset);
  return text.slice(from, to === -1 ? text.length : to);
}

/** The parser takes microseconds for each of these, and a file can be made of nothing else. */
function punctuationOf(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) if (PUNCTUATION.has(text.charCodeAt(i))) count += 1;
  return count;
}

class Reader {
  readonly faults: Fault[] = [];
  readonly #file: string;
  readonly #env: Env;
  readonly #lines: LineCounter;
  readonly #resolve: (alias: Node) => Node | null;
  #aliases = 0;
  #nodes = 0;

  constructor(file: string, env: Env, lines: LineCounter, resolve: (alias: Node) => Node | null) {
    this.#file = file;
    this.#env = env;
    this.#lines = lines;
    this.#resolve = resolve;
  }

  fault(offset: number, path: ConfigPath, message: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.faults.push(faultAt(this.#file, Math.max(1, line), Math.max(1, col), pathText(path), message));
  }

  node(node: Node, path: ConfigPath, depth: number): ConfigNode {
    const offset = node.range?.[0] ?? 0;
    const origin = this.#originOf(offset);
    this.#nodes += 1;
    if (this.#nodes > NODES_MAX || depth > DEPTH_MAX) {
      if (this.#nodes === NODES_MAX + 1)
        this.fault(offset, path, `the file has more than ${NODES_MAX} values`);
      else if (this.#nodes <= NODES_MAX)
        this.fault(offset, path, `is nested deeper than ${DEPTH_MAX} levels`);
      return nothing(origin);
    }
    if (isAlias(node)) return this.#alias(node, path, depth, offset, origin);
    if (node.tag !== undefined) this.fault(offset, path, 'has a YAML tag; remove what begins with "!"');
    if (isScalar(node)) return this.#scalar(node, path, offset);
    if (isSeq(node)) {
      const items = node.items.map((item, index) =>
        isNode(item) ? this.node(item, [...path, index], depth + 1) : nothing(origin),
      );
      return { kind: 'list', items, origin };
    }
    return isMap(node) ? this.#map(node, path, depth, origin) : nothing(origin);
  }

  #alias(node: Node, path: ConfigPath, depth: number, offset: number, origin: Origin): ConfigNode {
    this.#aliases += 1;
    if (this.#aliases > ALIASES_MAX) {
      if (this.#aliases === ALIASES_MAX + 1)
        this.fault(offset, path, `the file has more than ${ALIASES_MAX} aliases`);
      return nothing(origin);
    }
    const target = this.#resolve(node);
    if (target === null) {
      this.fault(offset, path, 'the alias names no anchor above it');
      return nothing(origin);
    }
    return this.node(target, path, depth + 1);
  }

  #map(node: YAMLMap, path: ConfigPath, depth: number, origin: Origin): ConfigNode {
    const entries = new Map<string, ConfigEntry>();
    for (const pair of node.items) {
      const key = this.#keyOf(pair, path, origin);
      if (key === null) continue;
      const { name, offset } = key;
      const at = [...path, name];
      if (FORBIDDEN_NAMES.has(name)) this.fault(offset, at, 'is not allowed as a name');
      else if (name === '<<')
        this.fault(offset, at, 'merge keys are not supported; use "defaults", which every route inherits');
      else if (entries.has(name)) this.fault(offset, at, 'is there twice; remove one');
      else {
        const keyOrigin = this.#originOf(offset);
        entries.set(name, {
          keyOrigin,
          node: isNode(pair.value) ? this.node(pair.value, at, depth + 1) : nothing(keyOrigin),
        });
      }
    }
    return { kind: 'map', entries, origin };
  }

  #keyOf(
    pair: Pair,
    path: ConfigPath,
    origin: Origin,
  ): { readonly name: string; readonly offset: number } | null {
    const { key } = pair;
    if (!isScalar(key)) {
      const offset = isNode(key) ? (key.range?.[0] ?? 0) : null;
      if (offset === null)
        this.faults.push(
          faultAt(this.#file, lineOf(origin), 1, pathText(path), 'has a value without a name'),
        );
      else this.fault(offset, path, 'the name of a field must be plain text');
      return null;
    }
    const offset = key.range?.[0] ?? 0;
    if (key.tag !== undefined) this.fault(offset, path, 'has a YAML tag; remove what begins with "!"');
    // `429:` is a number to YAML; what counts is how it is written.
    const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
    if (name !== '') return { name, offset };
    this.fault(offset, path, 'has a value without a name');
    return null;
  }

  #scalar(node: Scalar, path: ConfigPath, offset: number): ConfigNode {
    const origin = this.#originOf(offset);
    const { value } = node;
    if (typeof value === 'number' || typeof value === 'boolean' || value === null)
      return { kind: 'scalar', value, origin, written: null };
    if (typeof value !== 'string') return nothing(origin);
    const result = value.length > VALUE_CHARS_MAX ? null : substitute(value, this.#env);
    if (result === null) {
      this.fault(offset, path, 'is longer than 64 KiB');
      return nothing(origin);
    }
    if (result.kind === 'plain') return { kind: 'scalar', value: result.text, origin, written: null };
    if (result.kind === 'substituted') {
      const env: Origin = {
        kind: 'env',
        name: [...new Set(result.names)].join(', '),
        at: this.#positionOf(offset),
      };
      return { kind: 'scalar', value: result.text, origin: env, written: value };
    }
    this.fault(offset, path, result.message);
    return nothing(origin);
  }

  #originOf(offset: number): Origin {
    return { kind: 'file', at: this.#positionOf(offset) };
  }

  #positionOf(offset: number): { readonly file: string; readonly line: number; readonly col: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(1, line), col: Math.max(1, col) };
  }
}

function isNode(value: unknown): value is Node {
  return isScalar(value) || isMap(value) || isSeq(value) || isAlias(value);
}

function nothing(origin: Origin): ConfigNode {
  return { kind: 'scalar', value: null, origin, written: null };
}

function lineOf(origin: Origin): number {
  return origin.kind === 'file' ? origin.at.line : 1;
}
