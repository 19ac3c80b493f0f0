/** Which of a cluster's 16384 slots a name belongs to (Redis Cluster specification, "Key distribution model"). */

export const SLOTS = 16_384;

/** CRC16/XMODEM: polynomial 0x1021, start 0, not reflected. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80_00 ? (crc << 1) ^ 0x10_21 : crc << 1;
  return crc;
});

/** Of an ASCII name; what stands in its first pair of braces counts alone. */
export function slotOf(name: string): number {
  const open = name.indexOf('{');
  const close = open === -1 ? -1 : name.indexOf('}', open + 1);
  const tagged = close > open + 1;
  let crc = 0;
  const end = tagged ? close : name.length;
  for (let i = tagged ? open + 1 : 0; i < end; i += 1) {
    crc = ((crc << 8) & 0xff_ff) ^ (TABLE[(crc >> 8) ^ (name.charCodeAt(i) & 0xff)] ?? 0);
  }
  return crc % SLOTS;
}

let tags: readonly string[] | null = null;

/** A hash tag for every slot; made at its first use, in some ten milliseconds. */
export function tagOf(slot: number): string {
  tags ??= findTags();
  const tag = tags[slot];
  if (tag === undefined) throw new RangeError(`no slot ${slot}`);
  return tag;
}

function findTags(): readonly string[] {
  const found = new Array<string>(SLOTS);
  let missing = SLOTS;
  for (let i = 0; missing > 0; i += 1) {
    const tag = i.toString(36);
    const slot = slotOf(tag);
    if (found[slot] !== undefined) continue;
    found[slot] = tag;
    missing -= 1;
  }
  return found;
}
