using System.Runtime.Versioning;

namespace Pando.Exec.Tests;

/// <summary>Programs that every Linux has, run natively and on the engine: the same output, status, and files left behind.</summary>
[SupportedOSPlatform("linux")]
public class ShellTests
{
    [Theory]
    [InlineData("echo hello; echo error >&2; exit 3")]
    [InlineData("for i in 1 2 3; do echo $i | cat; done; (exit 7); echo $?")]
    [InlineData("ls -l /usr /etc | head -20 | sort | uniq | wc -l")]
    [InlineData("(yes; echo $? >&2) | head -1")]
    [InlineData("kill -9 $$")]
    [InlineData("kill -TERM $$; echo not reached")]
    [InlineData("trap 'echo trapped' USR1; kill -USR1 $$; echo end")]
    [InlineData("sleep 0.05 & wait $!; echo waited $?")]
    [InlineData("(sleep 1000 & echo $! > part; mv part pid; wait) & while [ ! -f pid ]; do sleep 0.01; done; kill $(cat pid); wait; rm pid; echo killed")]
    [InlineData("umask 027; mkdir d; echo text > d/f; chmod 640 d/f; mv d/f d/g; ln -s g d/link; cat d/link")]
    [InlineData("mkdir a; cd a; pwd | sed 's/.*a$/a/'; cd ..; rmdir a; test -d a || echo gone")]
    [InlineData("cat < /etc/passwd > copy; cmp /etc/passwd copy && echo same")]
    [InlineData("exec 5> five; echo text >&5; exec 5>&-; cat five")]
    [InlineData("yes | head -c 300000 | wc -c")]
    [InlineData("dd if=/dev/zero of=big bs=65536 count=40 2> /dev/null; wc -c < big")]
    [InlineData("nothing-of-this-name; echo $?")]
    [InlineData("printf '#!/bin/sh\\necho script $1 $2\\n' > s; chmod +x s; ./s a b; echo 'junk' > j; chmod +x j; ./j 2> /dev/null; echo $?")]
    [InlineData("cat /proc/self/comm; readlink /proc/self/exe | xargs basename; head -c 4 /proc/self/maps > /dev/null && echo maps")]
    [InlineData("sh -c 'kill -STOP $$; echo went on' & while ! grep -q ') T ' /proc/$!/stat; do sleep 0.01; done; kill -CONT $!; wait $!; echo $?")]
    public void A_shell_does_the_same(string script) => Outcome.Same(Requires.Program("sh"), "-c", script);

    [Fact]
    public void A_thousand_processes_come_and_go() =>
        Outcome.Same(Requires.Program("sh"), "-c", "i=0; while [ $i -lt 300 ]; do (exit $((i % 7))) ; i=$((i+1)); done; echo $i");

    [Theory]
    [InlineData("perl", "-e", "my @a = map { $_ ** 2 } 1..20; print \"@a\\n\"; print `echo sub`; exit 5")]
    [InlineData("python3", "-c", "import threading; r=[]; t=[threading.Thread(target=lambda i=i: r.append(i*i)) for i in range(16)]; [x.start() for x in t]; [x.join() for x in t]; print(sorted(r))")]
    [InlineData("python3", "-c", "import subprocess, os; print(subprocess.run(['ls', '/usr'], capture_output=True).stdout); r, w = os.pipe(); os.write(w, b'x'); print(os.read(r, 9))")]
    [InlineData("python3", "-c", "import mmap; f=open('f','w+b'); f.truncate(8192); m=mmap.mmap(f.fileno(), 8192); m[4096:4100]=b'here'; f.seek(4096); print(f.read(4)); f.seek(0); f.write(b'there'); f.flush(); print(m[:5])")]
    [InlineData("python3", "-c", "import signal, time; told = []; signal.signal(signal.SIGALRM, lambda *a: told.append('alarm')); signal.setitimer(signal.ITIMER_REAL, 0.05)\nwhile not told: time.sleep(0.2)\nprint(told)")]
    [InlineData("python3", "-c", "import socket, os; a, b = socket.socketpair(); pid = os.fork()\nif pid == 0:\n b.sendall(b'from child'); os._exit(4)\nprint(a.recv(99)); print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))")]
    public void An_interpreter_does_the_same(params string[] command) => Outcome.Same([Requires.Program(command[0]), .. command.Skip(1)]);
}
