/*
 * One key of Onceward, checked over every interleaving. What is left out, and the results: docs/model.md.
 *
 * step of the model          stands for
 * grant, store_claim         src/core/transition.ts grant, resent, claimStep
 * store_dispatch             … dispatchStep
 * store_settle               … completeStep, releaseStep, parkStep
 * store_release_owner        … releaseOwnerStep
 * isUnknown, lapsed          … standing
 * claiming, giving_up        src/engine/claim.ts; a store that sends a claim twice; src/engine/settler.ts releaseOwner
 * marking                    src/engine/execute.ts markDispatch
 * looking, first_byte        … beforeDispatch; src/store/keep-alive.ts leaseLeftMs
 * exchanging                 src/http/capture.ts; src/core/settle.ts settle
 * settling                   src/engine/execute.ts write; src/engine/settler.ts settle
 * joining                    src/engine/join.ts settledView
 * replaying                  src/core/decide.ts; src/pipeline.ts act
 * World, a renewal           src/core/transition.ts renewStep; src/store/keep-alive.ts
 * Operator, Probe            … resolveStep by an operator, by `onUnknown: retry`, by a reconcile probe
 *
 * A stall is a process that takes no step, for any time or for ever. Time is no number: a lease may run out between any
 * two steps. What a holder sees of its lease is never more than the store grants, since it counts from before it sent
 * the claim; that it may be less is the choice, free at any time, to stop instead of to dispatch.
 */

#ifndef REQUESTS
#define REQUESTS 3
#endif
/* The way to the store: 0 sound, 1 loses calls and replies, 2 also delivers calls that were given up. */
#ifndef NETWORK
#define NETWORK 2
#endif
#define SLOTS 4    /* requests are numbered from 1; 0 is nobody */
#define TOKENS 8
#define BY_HAND 15 /* the response an operator gave; every other is named by the token that executed */

/* Which promises are asserted: one bit each, in the order of the flags below. */
#ifndef PROMISES
#define PROMISES 63
#endif

mtype = {
  absent, claimed, dispatched, unknown, completed, released,
  granted, inFlight, ok, lost,
  complete, release, park,
  nothing, onWire, executed, refused
};

bit separate;              /* markDispatch: true */

/* The record. */
mtype rec = absent;
byte token;
byte owner;
bit leased;
byte response;

/* The requests: attempts of one client, each with an owner of its own. */
byte begun;
byte tok[SLOTS];           /* token of its grant; 0: none that it knows of, or nothing of it is left */
bit held[SLOTS];           /* renewals run */
bit view[SLOTS];           /* there is lease left by its own clock */
bit open[SLOTS];           /* its exchange is open */
bit over[SLOTS];
bit strayClaim[SLOTS];     /* a write nobody waits for any more, that may still arrive */
bit strayMark[SLOTS];

/* The backend. */
mtype wire[SLOTS] = nothing;
bit done;                  /* it has executed the request of the record's token */
#ifdef BACKEND_CHECKS_TOKEN
byte seen;                 /* requests below it are refused */
#endif

/* Ghosts: they exist for the promises alone. */
byte epoch;                /* grows when an operator decides over an unknown */
byte epochOf[SLOTS];       /* in which the grant was given */
byte spent;                /* tokens with a dispatch that is not proven void, a set */
byte spentIn[2];           /* the same, counted by epoch */
byte effectsIn[2];
byte toldNotExecuted;      /* tokens of which a client heard "not executed", a set */
byte ruled;                /* up to this token an operator has spoken */
byte rightful;             /* the token that may write; 0 after a resolve */
byte rightfulOwner;
bit bound;                 /* a dispatch is on record: the key must not be granted */
byte kept;                 /* the first response kept */

bit twoDispatches, twoEffects, staleWrite, grantedAgain, otherReplay, falselyNotExecuted;
#define promise(mask, flag, broken) flag = (PROMISES & (mask)) && (broken); assert(!flag)

#define bitOf(t) (1 << (t))
#define lapsed (!leased)
#define isUnknown (rec == unknown || (rec == dispatched && lapsed))
#define holds(h) (token == tok[h] && owner == h)

inline grant(h) {
  promise(8, grantedAgain, bound);
  assert(token + 1 < TOKENS);
  token++;
  done = 0;
  owner = h;
  leased = 1;
  rec = (separate -> claimed : dispatched);
  bound = !separate;
  rightful = token;
  rightfulOwner = h;
  r = granted
}

inline store_claim(h) {
  d_step {
    if
    :: rec == absent || rec == released || (rec == claimed && lapsed) -> grant(h)
    /* The owner's own claim, sent twice: the lease starts anew. */
    :: (rec == claimed || rec == dispatched) && leased -> r = (owner == h -> granted : inFlight)
    :: rec == completed -> r = completed
#ifdef STEAL_AFTER_EXPIRY
    :: rec == dispatched && lapsed -> grant(h)
    :: rec == unknown -> r = unknown
#else
    :: isUnknown -> r = unknown
#endif
    fi
  }
}

inline store_dispatch(h) {
  d_step {
    if
    :: holds(h) && rec == claimed && leased ->
       promise(4, staleWrite, rightful != tok[h] || rightfulOwner != h);
       rec = dispatched;
       bound = 1;
       r = ok
    :: holds(h) && rec == dispatched && leased -> r = ok
    :: else -> r = lost
    fi
  }
}

inline keep(value) {
  rec = completed;
  leased = 0;
  response = value;
  bound = 1;
  kept = (kept == 0 -> value : kept);
  promise(16, otherReplay, kept != value)
}

inline free_key() {
  rec = released;
  leased = 0;
  bound = (bound && (spent & bitOf(token)))
}

#ifdef UNFENCED_COMPLETE
#define mayComplete(h) true
#else
#define mayComplete(h) holds(h)
#endif
#ifdef UNFENCED_RELEASE
#define mayRelease(h) true
#else
#define mayRelease(h) holds(h)
#endif

inline store_settle(h, what) {
  d_step {
    if
    :: what == complete && mayComplete(h) && (rec == claimed || rec == dispatched || rec == unknown) ->
       promise(4, staleWrite, rightful != tok[h] || rightfulOwner != h);
       keep(tok[h])
    :: what == release && mayRelease(h) && (rec == claimed || rec == dispatched) ->
       promise(4, staleWrite, rightful != tok[h] || rightfulOwner != h);
       free_key()
    :: what == park && holds(h) && (rec == claimed || rec == dispatched) ->
       promise(4, staleWrite, rightful != tok[h] || rightfulOwner != h);
       rec = unknown;
       leased = 0;
       bound = 1
    :: else
    fi
  }
}

inline store_release_owner(h) {
  d_step {
    if
    :: owner == h && (rec == claimed || rec == dispatched) ->
       promise(4, staleWrite, rightfulOwner != h);
       free_key()
    :: else
    fi
  }
}

#define stillOut(h, t) (tok[h] == (t) && (!over[h] || wire[h] == onWire))
#define mayStillAct(t) (stillOut(1, t) || stillOut(2, t) || stillOut(3, t))

/* Whatever was sent under it, the backend will not take it. */
#ifdef BACKEND_CHECKS_TOKEN
#define fenced(t) (t < seen && !(done && t == token))
#else
#define fenced(t) false
#endif

inline told_not_executed(t) {
  d_step {
    promise(32, falselyNotExecuted, (spent & bitOf(t)) && (t) > ruled && !fenced(t));
    if
    :: mayStillAct(t) -> toldNotExecuted = toldNotExecuted | bitOf(t)
    :: else
    fi
  }
}

inline stop_holding(h) { held[h] = 0; view[h] = 0; epochOf[h] = (wire[h] == onWire -> epochOf[h] : 0) }

/* The exchange is over for this side; what is on the wire stays on it. */
inline close(h) {
  open[h] = 0;
  wire[h] = (wire[h] == onWire -> onWire : nothing);
  stop_holding(h)
}

/* Nothing of it is left that may act: what it knew makes no difference any more. */
inline forget(h) {
  if
  :: over[h] && wire[h] != onWire && !strayMark[h] ->
     toldNotExecuted = toldNotExecuted & ~bitOf(tok[h]);
     tok[h] = 0;
     epochOf[h] = 0
  :: else
  fi
}

inline hand_over(h) {
  d_step {
    open[h] = 1;
    wire[h] = onWire;
    spent = spent | bitOf(tok[h]);
    spentIn[epochOf[h]]++;
#ifndef BACKEND_CHECKS_TOKEN
    promise(1, twoDispatches, spentIn[epochOf[h]] > 1)
#endif
  }
}

#ifdef NO_LEASE_CHECK
#define leaseSeen(h) true
#else
#define leaseSeen(h) view[h]
#endif

/* The process or its machine dies: nobody renews, the sockets close. */
#define CRASH atomic { true -> close(h); goto finished }

proctype Request(byte h) {
  mtype r = nothing;
  mtype how = nothing;
  byte leader;
  bit resent;

  /* Requests are alike: every run is one in which they begin in the order of their numbers. */
  atomic { begun == h - 1 -> begun = h };

claiming:
  if
  :: atomic { true ->
       store_claim(h);
       resent = 0;
       if
       :: r == granted ->
          r = nothing; tok[h] = token; epochOf[h] = epoch; held[h] = 1; view[h] = 1;
          if
          :: separate -> goto marking
          :: else -> goto looking
          fi
       :: r == inFlight -> r = nothing; leader = token; goto joining
       :: r == completed -> r = nothing; goto replaying
       :: r == unknown -> r = nothing; goto finished /* 409 outcome-unknown */
       fi }
  /* No reply: it was applied, or it was not, or it will be. */
#if NETWORK > 0
  :: atomic { true ->
       if
       :: store_claim(h); r = nothing
#if NETWORK > 1
       :: strayClaim[h] = 1
#endif
       :: skip
       fi;
       if
       :: !resent -> resent = 1; goto claiming
       :: resent = 0; goto giving_up
       fi }
#endif
  :: CRASH
  fi;

giving_up: /* 503, executed: unknown. In the background, again and again. */
  if
  :: atomic { true -> store_release_owner(h); goto giving_up }
  :: atomic { true -> goto finished }
  fi;

marking:
  if
  :: atomic { true ->
       store_dispatch(h);
       if
       :: r == ok -> r = nothing; goto looking
       :: r == lost -> r = nothing; close(h); goto finished /* 409 in-flight, executed: unknown */
       fi }
#if NETWORK > 0
  :: atomic { true ->
       if
       :: store_dispatch(h); r = nothing
#if NETWORK > 1
       :: strayMark[h] = 1
#endif
       :: skip
       fi;
       close(h); goto giving_up }
#endif
  :: CRASH
  fi;

looking:
  if
  :: atomic { leaseSeen(h) ->
#ifdef STALL_BEFORE_FIRST_BYTE
       goto first_byte
#else
       hand_over(h); goto exchanging
#endif
     }
  /* Too late, or no connection: 502 upstream-unreachable, executed: no. */
  :: atomic { true -> close(h); told_not_executed(tok[h]); how = release; goto settling }
  :: CRASH
  fi;

#ifdef STALL_BEFORE_FIRST_BYTE
first_byte:
  if
  :: atomic { true -> hand_over(h); goto exchanging }
  :: CRASH
  fi;
#endif

exchanging: /* A time-out answers the client with 504 and changes nothing here: the exchange goes on. */
  if
  :: atomic { wire[h] == executed -> close(h); how = complete; goto settling }
  :: atomic { wire[h] == refused -> close(h); how = release; goto settling }
  :: atomic { true -> close(h);
#ifdef RELEASE_AFTER_DISPATCH
       how = release;
#else
       how = park;
#endif
       goto settling }
  :: CRASH
  fi;

settling: /* Tried until the lease is over, also where the first try was applied and its reply lost. */
  if
  :: atomic { true ->
       store_settle(h, how);
       /* What its own client saw is what repeats get. */
       promise(16, otherReplay, how == complete && rec == completed && tok[h] > ruled && response != tok[h]);
       goto settling }
  :: atomic { true -> how = nothing; goto finished }
  fi;

joining: /* One read, at any time: while the leader is at work there is nothing to see. */
  if
  :: atomic { token != leader || rec == absent || rec == released -> told_not_executed(leader); goto finished }
  :: atomic { token == leader && rec == completed -> goto replaying }
  :: atomic { true -> goto finished } /* 409 in-flight or outcome-unknown, executed: unknown */
  fi;

replaying:
  /* Also never an answer of before the operator's word. */
  atomic { promise(16, otherReplay, rec == completed && (response != kept || response <= ruled)) };

finished:
  atomic { leader = 0; over[h] = 1; forget(h) }
}

inline arrive(h) {
  if
#ifdef BACKEND_CHECKS_TOKEN
  :: tok[h] < seen -> wire[h] = nothing
  :: tok[h] >= seen ->
     seen = tok[h];
#else
  :: true ->
#endif
     wire[h] = (open[h] -> executed : nothing);
     done = (done || tok[h] == token);
     effectsIn[epochOf[h]]++;
     promise(2, twoEffects, effectsIn[epochOf[h]] > 1);
     promise(32, falselyNotExecuted, (toldNotExecuted & bitOf(tok[h])) && tok[h] > ruled)
  fi
}

inline prove_void(t, e) {
  if
  :: spent & bitOf(t) -> spent = spent & ~bitOf(t); spentIn[e]--
  :: else
  fi
}

/* Time, the network and the backend, as far as they concern one request. */
proctype World(byte h) {
  mtype r = nothing;
end:
  do
  :: d_step { leased && owner == h -> leased = 0; view[h] = 0 }
  /* By its own clock alone, where the store knows its claim no more. */
  :: d_step { view[h] && !(leased && holds(h)) -> view[h] = 0 }
  /* A renewal brings a dispatched claim back whose lease had run out. */
  :: d_step { held[h] && holds(h) && rec == dispatched && lapsed -> leased = 1; view[h] = 1 }
  :: atomic { strayClaim[h] -> strayClaim[h] = 0; store_claim(h); r = nothing }
  :: atomic { strayMark[h] -> strayMark[h] = 0; store_dispatch(h); r = nothing; forget(h) }
  :: d_step { wire[h] == onWire -> arrive(h); forget(h) }
  /* A status that the route's table calls "not executed", and a backend that means it. */
  :: d_step { wire[h] == onWire ->
       prove_void(tok[h], epochOf[h]);
       wire[h] = (open[h] -> refused : nothing);
       forget(h) }
  /* It never arrives. */
  :: d_step { wire[h] == onWire -> wire[h] = nothing; forget(h) }
#ifdef STORE_LOSES_WRITE
  :: d_step { rec == dispatched && owner == h -> rec = absent; owner = 0; leased = 0 }
#endif
  od
}

inline resolved() { rightful = 0; rightfulOwner = 0; owner = 0; leased = 0 }

/* Decides over one unknown, whatever it wants: a new epoch. `onUnknown: retry` is its word too. */
proctype Operator() {
end:
  atomic { isUnknown ->
    epoch++; ruled = token; kept = 0; resolved();
    if
    :: rec = released; bound = 0
    :: keep(BY_HAND)
    fi }
}

#define quietOf(h, t) (tok[h] != (t) || (!open[h] && wire[h] != onWire))
#ifdef REOPEN_WHILE_OPEN
#define quiet(t) true
#else
#define quiet(t) (quietOf(1, t) && quietOf(2, t) && quietOf(3, t))
#endif

/*
 * Asks the backend, which tells the truth, and resolves. No new epoch: it has no right to a second execution.
 * Question and resolve are one step here, which asks of the code that a verdict only counts for a record that has not
 * changed since the question; STALE_VERDICT shows why.
 */
proctype Probe() {
#ifdef STALE_VERDICT
  byte t;
end:
  do
  :: atomic { t == 0 && isUnknown && token > ruled && !done && quiet(token) -> t = token }
  :: atomic { t != 0 && isUnknown && token == t ->
       prove_void(t, epoch); resolved(); rec = released; bound = 0; t = 0 }
  :: atomic { t != 0 && !(isUnknown && token == t) -> t = 0 }
  od
#else
end:
  do
  :: d_step { isUnknown && token > ruled && done -> resolved(); keep(token) }
  :: d_step { isUnknown && token > ruled && !done && quiet(token) ->
       prove_void(token, epoch); resolved(); rec = released; bound = 0;
#if defined(BACKEND_CHECKS_TOKEN) && !defined(QUESTION_LEAVES_NO_TRACE)
       seen = token + 1
#endif
     }
  od
#endif
}

init {
  atomic {
    if
    :: separate = 1
    :: skip
    fi;
    run World(1);
    run Request(1);
    run World(2);
    run Request(2);
#if REQUESTS > 2
    run World(3);
    run Request(3);
#endif
#ifndef NOBODY_REOPENS
    run Operator();
    run Probe();
#endif
  }
}
