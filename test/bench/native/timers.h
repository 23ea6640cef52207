/* A heap of what is due, by time. */
#include "common.h"

typedef struct timer {
  uint64_t due;
  size_t at; /* place in the heap, when it is in it */
  int queued;
} timer;

static timer **heap;
static size_t heap_size, heap_room;

static void heap_put(size_t at, timer *t) {
  heap[at] = t;
  t->at = at;
}

static void heap_up(size_t at) {
  timer *moved = heap[at];
  for (; at > 0 && heap[(at - 1) / 2]->due > moved->due; at = (at - 1) / 2) heap_put(at, heap[(at - 1) / 2]);
  heap_put(at, moved);
}

static void heap_down(size_t at) {
  timer *moved = heap[at];
  for (size_t child; (child = 2 * at + 1) < heap_size; at = child) {
    if (child + 1 < heap_size && heap[child + 1]->due < heap[child]->due) child++;
    if (heap[child]->due >= moved->due) break;
    heap_put(at, heap[child]);
  }
  heap_put(at, moved);
}

static void timer_set(timer *t, uint64_t due) {
  if (heap_size == heap_room) {
    heap_room = heap_room ? heap_room * 2 : 1024;
    heap = realloc(heap, heap_room * sizeof *heap);
  }
  t->due = due;
  t->queued = 1;
  heap_put(heap_size++, t);
  heap_up(t->at);
}

static void timer_clear(timer *t) {
  size_t at = t->at;
  if (!t->queued) return;
  t->queued = 0;
  if (at == --heap_size) return;
  heap_put(at, heap[heap_size]);
  heap_up(at);
  heap_down(at);
}

/* The next timer that is due, taken out; NULL when none is. */
static timer *timer_take(uint64_t now) {
  if (heap_size == 0 || heap[0]->due > now) return NULL;
  timer *first = heap[0];
  timer_clear(first);
  return first;
}
