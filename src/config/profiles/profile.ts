import type { ConfigData } from '../tree.ts';

/** A dialect as data: what it sets, and what whoever uses it should know. */
export type Profile = {
  /** Whose clients it is for. */
  readonly about: string;
  /** Where its rules come from. */
  readonly source: string;
  /** As they would stand in a route of the file. What it leaves out keeps its default. */
  readonly values: { readonly [field: string]: ConfigData };
  /** Where Onceward does otherwise than the API, and why. */
  readonly differs: readonly string[];
};
