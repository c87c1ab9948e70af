// tt: "serve PORT N [think-ms]", "get IP PORT [- request-bytes]", "now"; IPv6 only. Static, for the recording machine.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static double now(clockid_t c) { struct timespec t; clock_gettime(c, &t); return t.tv_sec + t.tv_nsec / 1e9; }
int main(int n, char **a) {
  setvbuf(stdout, 0, _IOLBF, 0);
  if (!strcmp(a[1], "now")) { printf("%.6f\n", now(CLOCK_REALTIME)); return 0; }
  int s = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
  char buf[65536];
  if (!strcmp(a[1], "serve")) {
    int one = 1; setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    to.sin6_port = htons(atoi(a[2]));
    if (bind(s, (void *)&to, sizeof to)) { perror("bind"); return 1; }
    listen(s, 128);
    int bytes = atoi(a[3]); memset(buf, 'x', sizeof buf);
    for (;;) {
      int c = accept(s, 0, 0); if (c < 0) continue;
      read(c, buf, sizeof buf);
      if (n > 4) usleep(atoi(a[4]) * 1000);
      write(c, buf, bytes); close(c);
    }
  }
  double t0 = now(CLOCK_MONOTONIC);
  inet_pton(AF_INET6, a[2], &to.sin6_addr); to.sin6_port = htons(atoi(a[3]));
  if (connect(s, (void *)&to, sizeof to)) { printf("connect: %s after %.3f\n", strerror(errno), now(CLOCK_MONOTONIC) - t0); return 1; }
  int req = n > 5 ? atoi(a[5]) : 16; memset(buf, 'q', req);
  write(s, buf, req);
  long got = 0; int r;
  while ((r = read(s, buf, sizeof buf)) > 0) got += r;
  if (r < 0) { printf("read: %s after %.3f\n", strerror(errno), now(CLOCK_MONOTONIC) - t0); return 1; }
  printf("ok %ld bytes after %.3f\n", got, now(CLOCK_MONOTONIC) - t0);
  return 0;
}
