// Threads: mutexes, conditions, thread-local storage, cancellation of a wait, exit of the process from a thread.
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long count, turns;
static __thread long own;

static void *add(void *a) { for (int i = 0; i < 20000; i++) { pthread_mutex_lock(&lock); count++; pthread_mutex_unlock(&lock); own++; } return (void *)own + (long)a * 0; }
static void *take_turns(void *a) {
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&lock);
        while (turns % 4 != (long)a) pthread_cond_wait(&cond, &lock);
        turns++;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&lock);
    }
    return 0;
}
static void *sleeps(void *a) { sleep(1000); return a; }
static void *vector(void *a) { double s = 0; for (int i = 1; i < 3000000; i++) s += 1.0 / i * (long)a; return (void *)(long)s; }
static void *leave(void *a) { usleep(50000); exit(0); return a; }

int main(void) {
    pthread_t t[8];
    void *r;
    long sum = 0;
    for (long i = 0; i < 8; i++) pthread_create(&t[i], 0, add, (void *)i);
    for (int i = 0; i < 8; i++) { pthread_join(t[i], &r); sum += (long)r; }
    printf("count %ld own %ld\n", count, sum);
    for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, take_turns, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    printf("turns %ld\n", turns);
    for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, vector, (void *)(i + 1));
    for (int i = 0; i < 4; i++) { pthread_join(t[i], &r); printf("vector %ld\n", (long)r); }
    pthread_create(&t[0], 0, sleeps, 0);
    usleep(20000);
    pthread_cancel(t[0]);
    pthread_join(t[0], &r);
    printf("cancelled %d\n", r == PTHREAD_CANCELED);
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += 20000000;
    if (at.tv_nsec >= 1000000000) { at.tv_sec++; at.tv_nsec -= 1000000000; }
    pthread_mutex_lock(&lock);
    printf("timed out %d\n", pthread_cond_timedwait(&cond, &lock, &at));

    // Between processes: a semaphore, and a robust mutex whose owner dies.
    struct { sem_t s; pthread_mutex_t m; } *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, 1);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->m, &attr);
    sem_init(&shared->s, 1, 0);
    if (!fork()) { pthread_mutex_lock(&shared->m); sem_post(&shared->s); usleep(50000); _exit(0); }
    while (sem_wait(&shared->s)) {}
    printf("robust %d\n", pthread_mutex_lock(&shared->m));
    wait(0);
    fflush(stdout);
    pthread_create(&t[0], 0, leave, 0);
    for (;;) pause();
}
