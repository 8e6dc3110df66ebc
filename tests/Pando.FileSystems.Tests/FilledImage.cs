namespace Pando.FileSystems.Tests;

/// <summary>What is put into a mounted file system, so that every form of directory and extent is in it.</summary>
internal static class FilledImage
{
    private const string Files = """
        cd "$1"
        mkdir -p a/b/c empty "dir with spaces"
        echo hello > a/b/c/hello
        : > empty-file
        head -c 60 /dev/urandom > sixty
        head -c 61 /dev/urandom > sixty-one
        head -c 150 /dev/urandom > inline
        head -c 4095 /dev/urandom > page-less-one
        head -c 3000001 /dev/urandom > odd
        head -c 20000000 /dev/urandom > large
        chmod 4711 odd; chown 1234567:7654321 odd
        touch -d '1905-01-01 00:00:00.123456789 UTC' old; touch -d '2037-12-31 23:59:59.5 UTC' late
        ln odd hard-link
        ln -s a/b/c/hello link; ln -s /a/b/../b/c/hello absolute; ln -s nothing dangling; ln -s loop2 loop1; ln -s loop1 loop2
        ln -s ../../../../../../sixty out; ln -s "$(printf 'x%.0s' $(seq 1 59))" link59; ln -s "$(printf 'x%.0s' $(seq 1 60))" link60
        ln -s "$(printf 'y%.0s' $(seq 1 400))" link400; ln -s "$(printf 'z%.0s' $(seq 1 1000))" link1000
        mkfifo pipe; mknod null c 1 3; mknod disk b 259 70000 || true
        printf x > "$(printf 'name\351\001\033')"
        printf y > "$(printf 'n%.0s' $(seq 1 255))"
        # Holes, written pieces, unwritten pieces, and pieces that were punched out.
        truncate -s 1G sparse; printf end | dd of=sparse bs=1 seek=900000000 conv=notrunc status=none; printf mid | dd of=sparse bs=1 seek=70000000 conv=notrunc status=none
        fallocate -l 10M unwritten || true
        fallocate -l 8M partly || true; head -c 1000000 /dev/urandom | dd of=partly bs=4096 seek=300 conv=notrunc status=none; truncate -s 8M partly
        fallocate -n -l 4M past-end || true; printf z | dd of=past-end bs=1 conv=notrunc status=none
        head -c 8000000 /dev/urandom > punched; for i in $(seq 0 4 240); do fallocate -p -o $((i * 32768)) -l 32768 punched || break; done
        # Two files whose blocks alternate.
        for i in $(seq 1 120); do head -c 8192 /dev/urandom | dd of=f1 bs=8192 seek=$i conv=notrunc,fsync status=none; head -c 8192 /dev/urandom | dd of=f2 bs=8192 seek=$((i * 2)) conv=notrunc,fsync status=none; done
        mkdir d5 d60 d3000
        for n in 5 60 3000; do (cd d$n; seq -f 'a-name-of-some-length-%.0f' 1 $n | xargs touch); done
        (cd d3000; seq -f 'a-name-of-some-length-%.0f' 1 7 3000 | xargs rm)
        """;

    private const string Reflinks = """
        cd "$1"
        cp --reflink=always large shared-whole
        head -c 4194304 /dev/urandom > original; cp --reflink=always original copied
        head -c 100000 /dev/urandom | dd of=copied bs=65536 seek=7 conv=notrunc status=none
        rm -f shared-twice; cp --reflink=always copied shared-twice; rm copied
        """;

    public static void Fill(TestImage image)
    {
        Host.Need("bash", "dd", "fallocate", "truncate", "seq", "xargs");
        Host.Output("bash", "-e", "-c", Files, "bash", image.MountPoint);
        if (image.Layout.HasReflink)
        {
            Host.Output("bash", "-e", "-c", Reflinks, "bash", image.MountPoint);
        }
    }
}
