using System.Runtime.ExceptionServices;

namespace Pando.Kvm.Engine;

/// <summary>Runs the same work on one thread per vCPU and waits for all.</summary>
internal static class ProcessorThreads
{
    /// <summary>Runs it. What a thread throws is thrown here, once all have ended.</summary>
    internal static void Run(SpaceProcessor[] processors, Action<SpaceProcessor> drive)
    {
        ExceptionDispatchInfo? failure = null;
        var threads = Array.ConvertAll(processors, processor => new Thread(() =>
        {
            try
            {
                drive(processor);
            }
#pragma warning disable CA1031 // Whatever went wrong on a vCPU's thread is thrown again on the caller's.
            catch (Exception e)
#pragma warning restore CA1031
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
            }
        })
        {
            IsBackground = true,
            Name = $"vCPU {processor.Cpu.Index}",
        });
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        failure?.Throw();
    }
}
