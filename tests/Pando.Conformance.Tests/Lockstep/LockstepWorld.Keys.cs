using Pando.Conformance.Tests.Kernel;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <content>
/// Protection keys. What an agent's thread may do with its keys stands in a register that pkey_alloc sets, and the kernel at the first
/// memory that may only be executed; the engine's processor has the same in its own.
/// </content>
internal sealed partial class LockstepWorld
{
    private const ulong DisableAccess = 1; // PKEY_DISABLE_ACCESS
    private const ulong DisableWrite = 2; // PKEY_DISABLE_WRITE

    private void TakeKeyBoth(TakeKey take)
    {
        var process = At(take.Space);
        ulong denied = ((take.Rights & Rights.Read) == 0 ? DisableAccess : 0) | ((take.Rights & Rights.Write) == 0 ? DisableWrite : 0);
        long result = process.Agent.Call(SystemCall.PkeyAlloc, 0, denied);
        Outcome(result, process.Space.AllocateKey(out int key));
        if (LastOutcome == Errno.None)
        {
            Same(result, key, "the key");
            process.Processor.ProtectionKeys = process.Processor.ProtectionKeys.With(key, take.Rights);
        }
    }

    private void ProtectKeyBoth(ProtectKeyAt protect)
    {
        var process = At(protect.Space);
        ProtectBoth(
            process,
            protect.Address,
            protect.Length,
            protect.Rights,
            protect.Key,
            process.Agent.Call(SystemCall.PkeyMprotect, protect.Address, (ulong)protect.Length, KernelArguments.Protection(protect.Rights), (ulong)protect.Key));
    }

    /// <summary>After memory was asked for that may only be executed: its key is the thread's no more. Where it is refused the kernel may have taken one.</summary>
    private void AfterExecuteOnly(TestProcess process, Rights rights)
    {
        if (rights != Rights.Execute || Features.WhyNoKeys is not null || !Machine.Options.ExecuteOnlyByKey)
        {
            return;
        }

        if (process.Space.ExecuteOnlyKey < 0 && LastOutcome != Errno.None)
        {
            // The next key that both would give out tells.
            long kernel = process.Agent.Call(SystemCall.PkeyAlloc, 0, DisableAccess);
            if (kernel > 0)
            {
                Require(process.Agent.Call(SystemCall.PkeyFree, (ulong)kernel), "pkey_free");
                process.Processor.ProtectionKeys = process.Processor.ProtectionKeys.With((int)kernel, Rights.None);
            }

            if (process.Space.AllocateKey(out int engine) == Errno.None)
            {
                process.Space.FreeKey(engine);
                if (engine != kernel)
                {
                    var page = process.Space.Map(MapRequest.Anonymous(Page, Rights.Execute)).Value;
                    process.Space.Unmap(page, Page);
                    Counts.Count(NamedDifference.AllOrNothing);
                }
            }
        }

        if (process.Space.ExecuteOnlyKey is > 0 and var key)
        {
            process.Processor.ProtectionKeys = process.Processor.ProtectionKeys.With(key, Rights.None);
        }
    }

    /// <summary>
    /// Linux faults memory in as the thread that asks for it may access it; the engine as a thread that may use every key that it was
    /// given (docs/operations.md). Operations that fault in are not made where that is not the same.
    /// </summary>
    private bool MayFaultIn(int place, int key = 0) =>
        !Has(place)
        || !At(place).Areas().Select(area => area.ProtectionKey).Append(key).Any(
            used => used != At(place).Space.ExecuteOnlyKey && used is >= 0 and < 16 && At(place).Processor.ProtectionKeys.Denies(used, AccessKind.Write));

    private bool HasLocked(int place) => Has(place) && At(place).Areas().Exists(area => (area.Flags & (AreaFlags.Locked | AreaFlags.LockedOnFault)) != 0);
}
