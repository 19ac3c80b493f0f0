import fc from 'fast-check';

/** A mutant is found out by the first counterexample: looking for a smaller one would take most of the time. */
fc.configureGlobal({ endOnFailure: true });
