using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Pando.Exec.Calls;
using Pando.Exec.Tasks;
using Pando.Kvm.Guests;

namespace Pando.Exec.Running;

/// <summary>Runs unmodified Linux programs as processes of a machine of their own.</summary>
[SupportedOSPlatform("linux")]
public static class ProgramRunner
{
    /// <summary>Runs a program, and all that it starts, to its end.</summary>
    /// <remarks>
    /// Descriptors 0, 1 and 2 are this process's. SIGINT, SIGTERM, SIGHUP and SIGQUIT that come to this process go to the program's
    /// process group. Processes that the program leaves behind are killed.
    /// Several may run in one process, each on a machine of its own.
    /// </remarks>
    /// <exception cref="ExecException">It cannot be started.</exception>
    public static ExecResult Run(ExecOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Command.Count == 0)
        {
            throw new ArgumentException("There is no program to run.", nameof(options));
        }

        var availability = KvmAvailability.Check();
        if (!availability.IsUsable)
        {
            throw new ExecException(125, availability.Reason);
        }

        using var system = new GuestSystem(options, new CallTable());
        var registrations = new List<PosixSignalRegistration>();
        foreach (var (signal, number) in (ReadOnlySpan<(PosixSignal, int)>)
            [(PosixSignal.SIGINT, 2), (PosixSignal.SIGQUIT, 3), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGHUP, 1), (PosixSignal.SIGWINCH, 28)])
        {
            registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                system.Forward(number);
            }));
        }

        try
        {
            return system.Run();
        }
        finally
        {
            foreach (var registration in registrations)
            {
                registration.Dispose();
            }
        }
    }
}
