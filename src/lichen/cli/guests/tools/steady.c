// Preloaded into a tool that runs code while it builds, so that the same source gives the same bytes: the time is always
// that of 1980, the monotonic clock stands still, and randomness is always the same. Nothing that is built keeps a secret
// of it: a component has no randomness but what it asks of its host.
#define _GNU_SOURCE
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>

#define THEN 315532800

ssize_t getrandom(void *to, size_t size, unsigned flags) {
    (void)flags;
    memset(to, 7, size);
    return (ssize_t)size;
}

int getentropy(void *to, size_t size) {
    memset(to, 7, size);
    return 0;
}

int clock_gettime(clockid_t which, struct timespec *to) {
    to->tv_sec = which == CLOCK_REALTIME ? THEN : 1000;
    to->tv_nsec = 0;
    return 0;
}

int gettimeofday(struct timeval *to, void *zone) {
    (void)zone;
    to->tv_sec = THEN;
    to->tv_usec = 0;
    return 0;
}

time_t time(time_t *to) {
    if (to) *to = THEN;
    return THEN;
}
