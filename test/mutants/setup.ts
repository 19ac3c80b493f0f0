import fc from 'fast-check';

/**
 * A mutant is found out by the first counterexample: looking for a smaller one would take most of the time. Tables
 * find nearly all, so a property gets no longer than it takes to find what is often wrong.
 */
fc.configureGlobal({ endOnFailure: true, interruptAfterTimeLimit: 300 });
