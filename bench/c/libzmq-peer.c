/*
 * The same work in C on libzmq: three frames [topic, JSON header, body], printed and read as JSON where the load says so.
 *
 *   libzmq-peer ROLE BYTES json|bytes ADDRESS      ROLE: publish, subscribe, push, pull
 *
 * Speaks the lines of bench/peers/main.ts: begin, run MS, expect COUNT, usage, end. A thread of its own receives; the heap is not measured.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define TOPIC "price.tick"
#define FRAME_BYTES 72 /* what a JSON body measures without its note: bench/body.ts */
#define STALL_MS 5000
#define LARGE_BYTES 16384

static void *sock;
static size_t size;
static int is_json;
static atomic_long seen;
static double sum, first_at, last_at;
static char *note;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static double cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void fail(const char *what) {
  fprintf(stderr, "libzmq-peer: %s: %s\n", what, zmq_strerror(zmq_errno()));
  exit(1);
}

static void free_body(void *data, void *hint) {
  (void)hint;
  free(data);
}

static void send_one(long n) {
  char header[128];
  int length = snprintf(header, sizeof header,
                        "{\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\",\"id\":%ld}", n);
  if (zmq_send(sock, TOPIC, strlen(TOPIC), ZMQ_SNDMORE) < 0) fail("send");
  if (zmq_send(sock, header, length, ZMQ_SNDMORE) < 0) fail("send");
  zmq_msg_t message;
  if (is_json) {
    char *body = malloc(size + 256);
    length = snprintf(body, size + 256, "{\"n\":%ld,\"at\":0,\"symbol\":\"BTC\",\"price\":%.1f,\"side\":\"buy\",\"note\":\"%s\"}",
                      n, 43210.5 + n % 100, note);
    zmq_msg_init_data(&message, body, length, free_body, NULL);
  } else {
    double number = (double)n;
    char *body = malloc(size);
    memcpy(body, &number, sizeof number);
    zmq_msg_init_data(&message, body, size, free_body, NULL);
  }
  if (zmq_msg_send(&message, sock, 0) < 0) fail("send");
}

static void *receive(void *unused) {
  for (;;) {
    zmq_msg_t frame;
    long id = -1;
    double number = -1;
    for (int part = 0;; part++) {
      zmq_msg_init(&frame);
      if (zmq_msg_recv(&frame, sock, 0) < 0) return unused; /* the context ends */
      char text[256];
      size_t length = zmq_msg_size(&frame) < sizeof text - 1 ? zmq_msg_size(&frame) : sizeof text - 1;
      if (part == 1 || (part == 2 && is_json)) {
        memcpy(text, zmq_msg_data(&frame), length);
        text[length] = 0;
        char *digits = strstr(text, part == 1 ? "\"id\":" : "\"n\":");
        if (part == 1 && digits) id = strtol(digits + 5, NULL, 10);
        if (part == 2 && digits) number = strtod(digits + 4, NULL);
      } else if (part == 2) {
        memcpy(&number, zmq_msg_data(&frame), sizeof number);
      }
      int more = zmq_msg_more(&frame);
      zmq_msg_close(&frame);
      if (!more) break;
    }
    if (id < 0) exit(1);
    long so_far = atomic_load(&seen);
    if (so_far == 0) first_at = now_ms();
    sum += number;
    last_at = now_ms();
    atomic_store(&seen, so_far + 1);
  }
}

static void expect(long count) {
  long before = atomic_load(&seen);
  double since = now_ms();
  while (atomic_load(&seen) < count && now_ms() - since < STALL_MS) {
    usleep(2000);
    if (atomic_load(&seen) == before) continue;
    before = atomic_load(&seen);
    since = now_ms();
  }
  long got = atomic_load(&seen);
  if (got != count) printf("{\"error\":\"%ld of %ld messages arrived\"}\n", got, count);
  else if (sum != (double)count * (count - 1) / 2) printf("{\"error\":\"other messages arrived than were sent\"}\n");
  else printf("{\"seen\":%ld,\"rate\":%f}\n", got, (count - 1) / (last_at - first_at) * 1e3);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  const char *role = argv[1];
  size = strtoul(argv[2], NULL, 10);
  is_json = strcmp(argv[3], "json") == 0;
  size_t note_length = size > FRAME_BYTES ? size - FRAME_BYTES : 0;
  note = malloc(note_length + 1);
  memset(note, 'x', note_length);
  note[note_length] = 0;

  int is_publish = !strcmp(role, "publish"), is_push = !strcmp(role, "push"), is_pull = !strcmp(role, "pull");
  int receives = !is_publish && !is_push;
  int mark = size >= LARGE_BYTES ? 64 : 1000, no_drop = 1, linger = 0;
  void *context = zmq_ctx_new();
  sock = zmq_socket(context, is_publish ? ZMQ_XPUB : is_push ? ZMQ_PUSH : is_pull ? ZMQ_PULL : ZMQ_SUB);
  zmq_setsockopt(sock, ZMQ_SNDHWM, &mark, sizeof mark);
  zmq_setsockopt(sock, ZMQ_RCVHWM, &mark, sizeof mark);
  zmq_setsockopt(sock, ZMQ_LINGER, &linger, sizeof linger);
  if (is_publish) zmq_setsockopt(sock, ZMQ_XPUB_NODROP, &no_drop, sizeof no_drop);
  if (!strcmp(role, "subscribe")) zmq_setsockopt(sock, ZMQ_SUBSCRIBE, TOPIC, strlen(TOPIC));
  char address[256] = "";
  size_t length = sizeof address;
  if (is_publish || is_pull) {
    if (zmq_bind(sock, "tcp://127.0.0.1:*") < 0) fail("bind");
    zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, address, &length);
  } else if (zmq_connect(sock, argv[4]) < 0) {
    fail("connect");
  }
  pthread_t thread;
  if (receives) pthread_create(&thread, NULL, receive, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("{\"ready\":true,\"address\":\"%s\"}\n", address);

  char line[128];
  double cpu = cpu_us();
  while (fgets(line, sizeof line, stdin)) {
    if (!strncmp(line, "begin", 5)) {
      sum = 0;
      atomic_store(&seen, 0);
      cpu = cpu_us();
      printf("{}\n");
    } else if (!strncmp(line, "run ", 4)) {
      double end = now_ms() + atof(line + 4);
      long n = 0;
      do {
        for (int k = 0; k < (size >= LARGE_BYTES ? 1 : 128); k++) send_one(n++);
      } while (now_ms() < end);
      printf("{\"sent\":%ld}\n", n);
    } else if (!strncmp(line, "expect ", 7)) {
      expect(atol(line + 7));
    } else if (!strncmp(line, "usage", 5)) {
      printf("{\"cpuUs\":%f,\"heapBytes\":\"none\"}\n", cpu_us() - cpu);
    } else {
      break;
    }
  }
  /* A context that is shut down ends the receiving thread; what is left ends with the process. */
  zmq_ctx_shutdown(context);
  if (receives) pthread_join(thread, NULL);
  return 0;
}
