// Many children map one file and read all of it; the host's tables are not counted, so this tells only that all see it.
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { Children = 60 };

int main(void) {
    const long length = 256L << 20;
    int f = open("mapped", O_RDWR | O_CREAT, 0600), ready[2], go[2], status, sum = 0;
    char c;
    if (f < 0 || ftruncate(f, length) || pipe(ready) || pipe(go)) return 1;
    unlink("mapped");
    for (long at = 0; at < length; at += 2 << 20) if (pwrite(f, "x", 1, at) != 1) return 2;
    for (int i = 0; i < Children; i++) if (!fork()) {
        volatile char *m = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
        int seen = 0;
        for (long at = 0; at < length; at += 2 << 20) seen += m[at] == 'x';
        m[i] = 'x';
        close(go[1]);
        _exit(write(ready[1], "r", 1) != 1 || read(go[0], &c, 1) != 0 || seen != length >> 21);
    }
    for (int i = 0; i < Children; i++) if (read(ready[0], &c, 1) != 1) return 3;
    close(go[1]);
    while (wait(&status) > 0) sum += WEXITSTATUS(status);
    printf("wrong: %d\n", sum);
    return sum;
}
