/** Bounds the executions in the background of this process, which no client's connection bounds. */
export type TaskRoom = {
  enter(): 'entered' | 'full';
  leave(): void;
  running(): number;
};

export function createTaskRoom(tasksMax: number): TaskRoom {
  let running = 0;
  return {
    enter() {
      if (running >= tasksMax) return 'full';
      running += 1;
      return 'entered';
    },
    leave() {
      running -= 1;
    },
    running: () => running,
  };
}
