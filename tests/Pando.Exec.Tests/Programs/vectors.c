// AVX and SSE state is each task's own, whoever else runs on the processor.
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int check(int me) {
    double x[8], sum = 0;
    for (int i = 0; i < 8; i++) x[i] = me + i;
    for (int round = 0; round < 400; round++) {
        double a = x[0], b = x[1], c = x[2], d = x[3];
        for (int i = 0; i < 20000; i++) { a += 1; b += 2; c += 3; d += 4; __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d)); }
        if (a != x[0] + 20000 || b != x[1] + 40000 || c != x[2] + 60000 || d != x[3] + 80000) return 1;
        sum += a - x[0];
        if (round % 50 == 0) usleep(100);
    }
    return sum != 400.0 * 20000;
}

int main(void) {
    char big[1000], copy[1000];
    memset(big, 7, sizeof big);
    memcpy(copy, big, sizeof big);
    int bad = memcmp(big, copy, sizeof big) != 0, status;
    for (int i = 0; i < 6; i++) if (!fork()) _exit(check(i * 1000));
    while (wait(&status) > 0) bad += WEXITSTATUS(status);
    printf("wrong: %d\n", bad);
    return bad;
}
