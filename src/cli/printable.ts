/** All control characters but tab and line feed, and what turns the direction of text (Unicode, UAX 9). */
const CONTROLS =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * What a terminal may be given: text of others in it, such as a path, a key or a name from a file, can neither move the
 * cursor nor show another order than it has. An escape of JSON stands in the place, which is right within JSON too.
 */
export function printable(text: string): string {
  return text.replace(CONTROLS, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
