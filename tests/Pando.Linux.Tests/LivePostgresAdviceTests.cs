using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Pando.Linux.Analysis;
using Pando.Linux.Text;

namespace Pando.Linux.Tests;

/// <summary>A small PostgreSQL server that is advised, and follows the advice, with both kinds of shared memory that it knows.</summary>
[Collection(nameof(LiveLinux))]
public sealed partial class LivePostgresAdviceTests(ITestOutputHelper output) : IDisposable
{
    private const int Connections = 24;
    private const int Tables = 4;
    private readonly string _directory = Directory.CreateTempSubdirectory("pando-postgres-").FullName;
    private readonly List<Process> _clients = [];

    [GeneratedRegex("^[a-z_]+ = [^#]+")]
    private static partial Regex Setting();

    private static string? Programs => Directory.Exists("/usr/lib/postgresql")
        ? Directory.EnumerateDirectories("/usr/lib/postgresql").Select(d => Path.Combine(d, "bin")).Where(d => File.Exists(Path.Combine(d, "initdb"))).Order(StringComparer.Ordinal).LastOrDefault()
        : null;

    private string Data => Path.Combine(_directory, "data");

    public void Dispose()
    {
        Stop();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [InlineData("mmap")]
    [InlineData("sysv")]
    public void The_advice_works_as_it_stands_and_saves_what_it_says(string type)
    {
        SkipUnlessPossible();
        Create(type);
        Start();
        Fill();
        Connect();
        var before = ServerTables();
        // Another server's advice names this one, too, as one that takes pages of the pool.
        var advice = Assert.Single(LiveLinux.Scan().Report.Advice, a => a.Service == nameof(ServiceKind.PostgreSql) && a.Lines.Any(l => l.StartsWith("# first stop", StringComparison.Ordinal) && l.Contains(Data, StringComparison.Ordinal)));
        Stop();
        if (type == "sysv")
        {
            // What was advised before stopped the server.
            var (code, _) = Postgres("pg_ctl", "-D", Data, "-w", "-t", "30", "-l", Path.Combine(_directory, "log"), "-o", "-c huge_pages=on", "start");
            Assert.NotEqual(0, code);
            Assert.Contains("huge pages not supported", File.ReadAllText(Path.Combine(_directory, "log")), StringComparison.Ordinal);
        }

        File.AppendAllLines(Path.Combine(Data, "postgresql.auto.conf"), advice.Lines.Select(l => Setting().Match(l)).Where(m => m.Success).Select(m => m.Value));
        using var pages = LiveLinux.ReserveHugePages(advice.Pages);
        Start();
        Connect();
        var after = ServerTables();

        output.WriteLine($"predicted {ByteText.Size(advice.SavedBytes!.Value)}, measured {ByteText.Size(before.Bytes - after.Bytes)} ({before} to {after})");
        Assert.Equal(before.Processes, after.Processes);
        Assert.InRange(advice.SavedBytes.Value, (before.Bytes - after.Bytes) * 0.9, (before.Bytes - after.Bytes) * 1.1);
    }

    private static void SkipUnlessPossible()
    {
        if (!LiveLinux.IsRoot)
        {
            Assert.Skip("Starting PostgreSQL as its own user and reserving huge pages needs root.");
        }

        if (Programs is null)
        {
            Assert.Skip("PostgreSQL is not installed; `scripts/postgres.sh install` installs it from the distribution's packages.");
        }
    }

    private void Create(string type)
    {
        Assert.Equal(0, TestMount.Run("chown", ["postgres", _directory]).Code);
        Do("initdb", "-D", Data, "-A", "trust", "--no-sync");
        File.AppendAllText(Path.Combine(Data, "postgresql.auto.conf"), $"""
            listen_addresses = ''
            unix_socket_directories = '{_directory}'
            shared_buffers = 512MB
            max_connections = 100
            huge_pages = off
            fsync = off
            autovacuum = off
            jit = off
            max_parallel_workers_per_gather = 0

            """);
        File.AppendAllText(Path.Combine(Data, "postgresql.auto.conf"), $"shared_memory_type = {type}\n");
    }

    private void Start() => Do("pg_ctl", "-D", Data, "-w", "-t", "120", "-l", Path.Combine(_directory, "log"), "start");

    private void Fill()
    {
        // Smaller than a quarter of shared_buffers each, or they were read through a small ring of buffers.
        for (var i = 0; i < Tables; i++)
        {
            Sql($"create unlogged table t{i} (filler text); alter table t{i} alter filler set storage plain; insert into t{i} select repeat('x', 7000) from generate_series(1, 12000)");
        }
    }

    private void Connect()
    {
        var read = string.Concat(Enumerable.Range(0, Tables).Select(i => $"select count(*) from t{i}; "));
        Sql(read);
        File.WriteAllText(Path.Combine(_directory, "script.sql"), read + "select pg_sleep(3600);");
        for (var i = 0; i < Connections; i++)
        {
            var start = new ProcessStartInfo(Path.Combine(Programs!, "psql"), ["-qXAt", "-U", "postgres", "-h", _directory, "-d", "postgres", "-f", Path.Combine(_directory, "script.sql")]) { RedirectStandardOutput = true, RedirectStandardError = true };
            _clients.Add(Process.Start(start)!);
        }

        for (var i = 0; Sql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'").Trim() != $"{Connections}"; i++)
        {
            Assert.True(i < 6000, "the connections have not read all tables in ten minutes");
            Thread.Sleep(100);
        }
    }

    private void Stop()
    {
        foreach (var client in _clients)
        {
            if (!client.HasExited)
            {
                client.Kill();
                client.WaitForExit();
            }

            client.Dispose();
        }

        _clients.Clear();
        if (File.Exists(Path.Combine(Data, "postmaster.pid")))
        {
            _ = Postgres("pg_ctl", "-D", Data, "-w", "-t", "60", "-m", "immediate", "stop");
        }
    }

    /// <summary>The tables of the server's processes, once those of ended sessions are gone.</summary>
    private (int Processes, long Bytes) ServerTables()
    {
        var last = CountTables();
        for (var i = 0; i < 2000; i++)
        {
            Thread.Sleep(300);
            var now = CountTables();
            if (now == last && now.Sessions == Connections)
            {
                return (now.Processes, now.Bytes);
            }

            last = now;
        }

        throw new TimeoutException($"The server's processes have not come to rest in ten minutes; last {last}.");
    }

    /// <summary>The kernel's count of the tables of the server's processes: those whose working directory is its data. Those of
    /// sessions say so by their titles.</summary>
    private (int Processes, int Sessions, long Bytes) CountTables()
    {
        var (processes, sessions, bytes) = (0, 0, 0L);
        foreach (var directory in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            try
            {
                if (new FileInfo(directory + "/cwd").LinkTarget == Data && File.ReadLines(directory + "/status").FirstOrDefault(l => l.StartsWith("VmPTE:", StringComparison.Ordinal)) is { } line)
                {
                    processes++;
                    sessions += File.ReadAllText(directory + "/cmdline").Contains("[local]", StringComparison.Ordinal) ? 1 : 0;
                    bytes += long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) * 1024;
                }
            }
            catch (IOException)
            {
                // It ended.
            }
        }

        return (processes, sessions, bytes);
    }

    private string Sql(string text)
    {
        var (code, said) = Postgres("psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-h", _directory, "-d", "postgres", "-c", text);
        Assert.True(code == 0, said);
        return said;
    }

    private void Do(string program, params string[] arguments)
    {
        var (code, said) = Postgres(program, arguments);
        Assert.True(code == 0, $"{program}: {said} {(File.Exists(Path.Combine(_directory, "log")) ? File.ReadAllText(Path.Combine(_directory, "log")) : "")}");
    }

    /// <summary>A program of the server's, as its user. Output goes to a file: the server keeps it open.</summary>
    private static (int Code, string Said) Postgres(string program, params string[] arguments)
    {
        var said = Path.GetTempFileName();
        try
        {
            var start = new ProcessStartInfo("sh", ["-c", "out=$1; shift; exec runuser -u postgres -- \"$@\" > \"$out\" 2>&1 < /dev/null", "sh", said, Path.Combine(Programs!, program), .. arguments]) { WorkingDirectory = "/" };
            using var layout = FixedLayout.Begin();
            using var process = Process.Start(start)!;
            process.WaitForExit();
            return (process.ExitCode, File.ReadAllText(said));
        }
        finally
        {
            File.Delete(said);
        }
    }
}
