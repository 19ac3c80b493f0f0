/** Ends a switch over a closed union: the compiler refuses a member that no case names. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
