import { DEFAULTS as D } from './defaults.ts';
import { count, duration, section, size } from './field.ts';

/** Bounds on what clients can ask of a process. */

const memory = section({
  refusePercent: count(50, 100)
    .prefault(D.limits.memory.refusePercent)
    .describe(
      'From this part of the memory on, keyed requests with a body and requests that would wait for another get 429, until it is 5 percent points below. What is above it is the room for connections that have been accepted and answers that are under way: lower it where the heap is smaller than some 500 MB and clients may come by the thousand.',
    ),
  stopPercent: count(50, 100)
    .prefault(D.limits.memory.stopPercent)
    .describe(
      'From this part on all keyed requests get 429 and new connections are closed at once; `/readyz` says so.',
    ),
});

const newKeys = section({
  burst: count(1, 1_000_000_000).describe('How many at once.'),
  perHour: count(1, 1_000_000_000).describe('How many more each hour.'),
});

const principal = section({
  inFlight: count(1, 1_000_000)
    .optional()
    .describe(
      'Most keyed requests at once; one more gets 429. Left out: no bound but that of all. Set it where many tenants share a process, above what the busiest honest one needs.',
    ),
  newKeys: newKeys
    .optional()
    .describe(
      'How many keys may be used for the first time; beyond it a new one gets 429, while repeats of keys that are known are answered. One principal then has at most `burst` + `perHour` × `retain` records of each process. Left out: no bound but `store.sizeMax`.',
    ),
});

const client = section({
  connections: count(1, 1_000_000)
    .optional()
    .describe(
      'Most connections at once; one more is closed as soon as it comes. Left out: no bound but that of all.',
    ),
  inFlight: count(1, 1_000_000)
    .optional()
    .describe(
      'Most requests at once, over all its connections and streams; one more gets 429. Left out: no bound but that of all.',
    ),
});

export const limitsSchema = section({
  head: size('1KiB', '1MiB')
    .prefault(D.limits.head)
    .describe('Greatest head of a request, all fields together; above it 431.'),
  headers: count(1, 2000).prefault(D.limits.headers).describe('Most header fields in a request.'),
  target: size('128B', '1MiB').prefault(D.limits.target).describe('Longest path and query.'),
  headTimeout: duration('100ms')
    .prefault(D.limits.headTimeout)
    .describe('How long a client may take to send the head of a request.'),
  bodyTimeout: duration('100ms')
    .prefault(D.limits.bodyTimeout)
    .describe(
      'How long a client may be silent between two bytes of a request body, of which a keyed one may take ten times as long in all; and how long it may take nothing of an answer that waits for it, before its connection is broken.',
    ),
  idleTimeout: duration('100ms')
    .prefault(D.limits.idleTimeout)
    .describe(
      'How long an idle connection of a client is kept. Keep it above that of a balancer in front, or the balancer sends requests into closed connections.',
    ),
  connections: count(1, 1_000_000)
    .prefault(D.limits.connections)
    .describe(
      'Most connections of clients at once, for each worker: it bounds the descriptors of a process.',
    ),
  buffer: size('1MiB', '1024GiB')
    .prefault(D.limits.buffer)
    .describe(
      'Request and response bodies held in memory at once, over all requests; above it a keyed request gets 429. Several workers share it equally. Keep it well below the memory of the machine or container.',
    ),
  inFlight: count(1, 1_000_000)
    .prefault(D.limits.inFlight)
    .describe(
      'Most requests at once; one more gets 429. Several workers share it equally; connections spread over them almost evenly, so leave some room.',
    ),
  joiners: count(1, 1_000_000)
    .prefault(D.limits.joiners)
    .describe(
      'Most requests waiting at once for the response of another with their key, over all keys and workers; one more gets 429. Each asks the store four times a second.',
    ),
  tasks: count(1, 1_000_000)
    .prefault(D.limits.tasks)
    .describe(
      'Most executions in the background at once (`task`), over all routes; one more gets 429. Several workers share it equally. Each holds a connection to the backend: keep it below `upstream.connections`, or other requests find none.',
    ),
  memory: memory
    .prefault({})
    .describe(
      'When load is shed so that memory does not run out: the heap, and the memory of the container.',
    ),
  client: client
    .prefault({})
    .describe(
      'Bounds for one client address in one process, before anything else is known of it: an IPv4 address, or the /64 of an IPv6 address. Connections of `trustedProxies` are not bounded; a request that one of them passes on counts for the last address in `X-Forwarded-For` that is none of them. Set it where clients connect themselves; behind a balancer that is not in `trustedProxies` all of them have its address, and share the bound.',
    ),
  principal: principal
    .prefault({})
    .describe(
      'Bounds for one principal (`scope`) in one process. Callers without credentials are one. They keep tenants apart whose credentials something in front has verified, and hold back nobody who makes up a new credential for each request.',
    ),
});
