// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import type { Env } from './env.ts';

/** `${NAME}` and `${NAME:-default}` in a scalar; `$${` stands for `${` itself. */
export type Substituted =
  | { readonly kind: 'plain'; readonly text: string }
  /** `names`: the variables that were looked up, set or not. */
  | { readonly kind: 'substituted'; readonly text: string; readonly names: readonly string[] }
  | { readonly kind: 'fault'; readonly message: string };

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Once and from left to right: what a variable holds is never looked at again. */
export function substitute(text: string, env: Env): Substituted {
  if (!text.includes('${')) return { kind: 'plain', text };
  const names: string[] = [];
  let out = '';
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('${', at);
    if (open === -1) break;
    if (text[open - 1] === '$' && open > at) {
      out += `${text.slice(at, open - 1)}\${`;
      at = open + 2;
      continue;
    }
    const close = text.indexOf('}', open);
    if (close === -1)
      return { kind: 'fault', message: 'has "${" without "}"; to write "${" itself, write "$${"' };
    const inside = text.slice(open + 2, close);
    const dash = inside.indexOf(':-');
    const name = dash === -1 ? inside : inside.slice(0, dash);
    if (!NAME.test(name))
      return {
        kind: 'fault',
        message: 'has "${…}" that names no variable; write ${NAME} or ${NAME:-default}',
      };
    const set = Object.hasOwn(env, name) ? env[name] : undefined;
    // As in a shell: `:-` also stands in for an empty variable.
    const value = dash === -1 ? set : set === undefined || set === '' ? inside.slice(dash + 2) : set;
    if (value === undefined)
      return {
        kind: 'fault',
        message: `the variable ${name} is not set; set it, or give a default: \${${name}:-…}`,
      };
    names.push(name);
    out += text.slice(at, open) + value;
    at = close + 1;
  }
  out += text.slice(at);
  return names.length === 0 ? { kind: 'plain', text: out } : { kind: 'substituted', text: out, names };
}

/** The text that `substitute` turns into this one. */
export function escapeVariables(text: string): string {
  return text.replaceAll('${', '$$${');
}
