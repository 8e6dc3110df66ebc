using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <content>
/// userfaultfd: each process's faults are resolved by a handler that does the same on both sides; the questions, in order, and what
/// came of the answers must be the same.
/// </content>
internal sealed partial class LockstepWorld
{
    private const AreaFlags AnyUserFault = AreaFlags.UserMissing | AreaFlags.UserMinor | AreaFlags.UserWriteProtect;

    /// <summary>What handlers do about a question; each of them is for one kind of question.</summary>
    public Func<UserFaultQuestion, AreaInfo, UserFaultAnswer> Answers { get; set; } = static (question, _) => question.Kind switch
    {
        UserFaultKind.Missing => UserFaultAnswer.Copy,
        UserFaultKind.Minor => UserFaultAnswer.Continue,
        _ => UserFaultAnswer.Unprotect,
    };

    /// <summary>The questions since they were last looked at, on both sides the same.</summary>
    public List<(int Process, UserFaultQuestion Question)> LastQuestions { get; } = [];

    /// <summary>The byte that a handler fills a page with.</summary>
    public static byte ContentsOf(ulong page) => (byte)(((page - Arena) / (ulong)Page % 251) + 1);

    private void RegisterBoth(RegisterAt register)
    {
        var process = WithUserFaults(register.Space);
        var at = new VirtualAddress(register.Address);
        var before = process.Areas();
        long result = process.Agent.UserFaults!.Register(register.Address, register.Length, register.Modes);
        var error = process.Space.RegisterUserFaults(at, register.Length, register.Modes, process.Handler!);
        Outcome(result, error);
        AfterAnyRefusal(process, error, register.Address, register.Length);
        if (error == Errno.None)
        {
            ForgetHiddenMarks(process, before, register.Modes);
            ShowWhatTheKernelShows(process, AddressRange.FromLength(at, register.Length));
        }
    }

    /// <summary>
    /// Where other modes have taken the place of protection, the kernel's entries keep their marks, which mean nothing until protection is registered again; by
    /// then some of them are writable all the same. The engine forgets them (<see cref="NamedDifference.ProtectionEndsWithItsMode"/>).
    /// </summary>
    private void ForgetHiddenMarks(TestProcess process, List<AreaInfo> before, UserFaultModes modes)
    {
        var now = process.Areas();
        foreach (var old in before.FindAll(area => (area.Flags & AreaFlags.UserWriteProtect) != 0))
        {
            foreach (var part in now.FindAll(area => (area.Flags & AreaFlags.UserWriteProtect) == 0).ConvertAll(area => area.Range.Intersect(old.Range)))
            {
                if (!part.IsEmpty)
                {
                    var faults = process.Agent.UserFaults!;
                    Require(faults.Register(part.Start.Value, part.Length, UserFaultModes.WriteProtect), "UFFDIO_REGISTER");
                    Require(faults.WriteProtect(part.Start.Value, part.Length, false), "UFFDIO_WRITEPROTECT");
                    Require(faults.Register(part.Start.Value, part.Length, modes), "UFFDIO_REGISTER");
                    Counts.Count(NamedDifference.ProtectionEndsWithItsMode);
                }
            }
        }
    }

    /// <summary>
    /// Of what is registered for minor faults, the kernel keeps the entries that the process has: those of pages around a fault, too, and
    /// those that stood in a file's table, which the engine leaves (<see cref="NamedDifference.EntriesComeBackByFault"/>).
    /// </summary>
    private void ShowWhatTheKernelShows(TestProcess process, AddressRange range)
    {
        foreach (var area in process.Areas().FindAll(area => (area.Flags & AreaFlags.UserMinor) != 0 && area.Range.Overlaps(range)))
        {
            FaultInWhatTheKernelHas(process, area.Range.Intersect(range));
        }
    }

    /// <summary>The pages that are protected: the kernel says so in /proc/PID/pagemap, of entries and of the marks of pages that are not there.</summary>
    private void CheckProtectedPages(int place)
    {
        const ulong Protected = 1UL << 57; // PM_UFFD_WP
        var process = At(place);
        foreach (var area in process.Areas())
        {
            if ((area.Flags & AreaFlags.UserWriteProtect) == 0)
            {
                continue;
            }

            ulong[] entries = process.Agent.PageEntries(area.Range.Start.Value, area.Range.Length);
            for (int i = 0; i < entries.Length; i++)
            {
                var page = area.Range.Start + (i * Page);
                Same((entries[i] & Protected) != 0, process.Space.ProtectedPages.Has(page), $"whether {page} of process {place} is protected");
                Counts.ProtectedPages += (entries[i] & Protected) != 0 ? 1 : 0;
            }
        }
    }

    private void UnregisterBoth(UnregisterAt unregister)
    {
        var process = WithUserFaults(unregister.Space);
        var at = new VirtualAddress(unregister.Address);
        Outcome(
            process.Agent.UserFaults!.Unregister(unregister.Address, unregister.Length),
            process.Space.UnregisterUserFaults(at, unregister.Length, process.Handler));
        AfterAnyRefusal(process, LastOutcome, unregister.Address, unregister.Length);
    }

    private void ProvideBoth(ProvideAt provide)
    {
        var process = WithUserFaults(provide.Space);
        var error = Provided(process, provide.Address, provide.Length, provide.Value, provide.Protects);
        Outcome(-(long)error, EngineProvides(process.Space, provide.Address, provide.Length, provide.Value, provide.Protects));
        AfterFilling(process, provide.Address, provide.Length);
    }

    private void ContinueBoth(ContinueAt onward)
    {
        var process = WithUserFaults(onward.Space);
        var error = Continued(process, onward.Address, onward.Length, onward.Protects);
        Outcome(-(long)error, process.Space.UserContinue(new VirtualAddress(onward.Address), onward.Length, onward.Protects));
        AfterFilling(process, onward.Address, onward.Length);
    }

    private void WriteProtectBoth(WriteProtectAt protect)
    {
        var process = WithUserFaults(protect.Space);
        var at = new VirtualAddress(protect.Address);
        long result = process.Agent.UserFaults!.WriteProtect(protect.Address, protect.Length, protect.Protects);
        var error = process.Space.UserWriteProtect(at, protect.Length, protect.Protects);
        Outcome(result, error);
        if (IsPartial(process, error, at, protect.Length))
        {
            // Up to the first area that is not registered for it.
            foreach (var piece in MappedParts(process, at, protect.Length).SelectMany(part => AreaPieces(process, part)))
            {
                if (process.Space.UserWriteProtect(piece.Start, piece.Length, protect.Protects) != Errno.None)
                {
                    break;
                }

                Counts.Count(NamedDifference.AllOrNothing);
            }
        }

        AfterFilling(process, protect.Address, protect.Length);
    }

    /// <summary>Where the handler is told of the process's own accesses alone, all others on the engine's side are refused.</summary>
    private void SetRefusals(Operation operation)
    {
        foreach (var process in _processes)
        {
            if (process?.Handler is { } handler)
            {
                handler.Refuses = operation is not TouchAt && process.Agent.UserFaults!.IsUserModeOnly;
            }
        }
    }

    /// <summary>The process, with a userfaultfd from now on.</summary>
    private TestProcess WithUserFaults(int place)
    {
        var process = At(place);
        if (process.Agent.UserFaults is null)
        {
            if (!process.Agent.TryAddUserFaults(out string? whyNot))
            {
                throw new InvalidOperationException($"An agent has no userfaultfd, though another had one: {whyNot}.");
            }

            process.Handler = new LockstepHandler(question => Answers(question, AreaAt(process, new VirtualAddress(question.Address))))
            {
                Perform = (question, answer) => AnswerOfEngine(process, question, answer),
            };
            process.Agent.Asked = question => process.Handler.Answer(question, answer => AnswerOfKernel(process, question, answer));
        }

        return process;
    }

    private static (ulong Address, long Length) PageOf(AreaInfo area, ulong address)
    {
        long page = area.File?.MappingAlignment ?? Page;
        return (address & ~((ulong)page - 1), page);
    }

    private Errno AnswerOfKernel(TestProcess process, UserFaultQuestion question, UserFaultAnswer answer)
    {
        var area = AreaAt(process, new VirtualAddress(question.Address));
        var (page, length) = PageOf(area, question.Address);
        var faults = process.Agent.UserFaults!;
        var error = answer switch
        {
            UserFaultAnswer.Copy or UserFaultAnswer.CopyProtected => Provided(process, page, length, ContentsOf(page), answer == UserFaultAnswer.CopyProtected),
            UserFaultAnswer.Zero => Provided(process, page, length, 0, false),
            UserFaultAnswer.Continue or UserFaultAnswer.ContinueProtected => Continued(process, page, length, answer == UserFaultAnswer.ContinueProtected),
            UserFaultAnswer.Unprotect => ErrorOf(faults.WriteProtect(page, length, false)),
            UserFaultAnswer.UnprotectArea => ErrorOf(faults.WriteProtect(area.Range.Start.Value, area.Range.Length, false)),
            _ => ErrorOf(faults.Unregister(area.Range.Start.Value, area.Range.Length)),
        };
        faults.Wake(page, length);
        return error;
    }

    private static Errno AnswerOfEngine(TestProcess process, UserFaultQuestion question, UserFaultAnswer answer)
    {
        var area = AreaAt(process, new VirtualAddress(question.Address));
        var (page, length) = PageOf(area, question.Address);
        var at = new VirtualAddress(page);
        return answer switch
        {
            UserFaultAnswer.Copy or UserFaultAnswer.CopyProtected => EngineProvides(process.Space, page, length, ContentsOf(page), answer == UserFaultAnswer.CopyProtected),
            UserFaultAnswer.Zero => EngineProvides(process.Space, page, length, 0, false),
            UserFaultAnswer.Continue or UserFaultAnswer.ContinueProtected => process.Space.UserContinue(at, length, answer == UserFaultAnswer.ContinueProtected),
            UserFaultAnswer.Unprotect => process.Space.UserWriteProtect(at, length, false),
            UserFaultAnswer.UnprotectArea => process.Space.UserWriteProtect(area.Range.Start, area.Range.Length, false),
            _ => process.Space.UnregisterUserFaults(area.Range.Start, area.Range.Length, process.Handler),
        };
    }

    private Errno Provided(TestProcess process, ulong address, long length, byte value, bool protects) => ToTheEnd(address, length, (ulong at, long rest, out long done) =>
        value == 0 && !protects
            ? process.Agent.UserFaults!.Zero(at, rest, out done)
            : process.Agent.UserFaults!.Copy(at, rest, value, protects, out done));

    private Errno Continued(TestProcess process, ulong address, long length, bool protects) =>
        ToTheEnd(address, length, (ulong at, long rest, out long done) => process.Agent.UserFaults!.Continue(at, rest, protects, out done));

    private static Errno EngineProvides(AddressSpace space, ulong address, long length, byte value, bool protects)
    {
        if (value == 0 && !protects)
        {
            return space.UserZero(new VirtualAddress(address), length);
        }

        byte[] contents = new byte[length];
        Array.Fill(contents, value);
        return space.UserCopy(new VirtualAddress(address), contents, protects);
    }

    private delegate long Filling(ulong address, long length, out long done);

    /// <summary>The kernel says EAGAIN and how far it came; asked for the rest it says why (<see cref="NamedDifference.FillingSaysWhy"/>).</summary>
    private Errno ToTheEnd(ulong address, long length, Filling fill)
    {
        while (true)
        {
            long result = fill(address, length, out long done);
            if (result != -(long)Errno.EAGAIN || done <= 0)
            {
                return ErrorOf(result);
            }

            Counts.Count(NamedDifference.FillingSaysWhy);
            address += (ulong)done;
            length -= done;
        }
    }

    private static Errno ErrorOf(long result) => result < 0 ? (Errno)(-result) : Errno.None;

    /// <summary>What was asked in this step, on both sides.</summary>
    private void CheckQuestions()
    {
        for (int i = 0; i < Processes; i++)
        {
            if (!Has(i) || At(i).Handler is not { } handler)
            {
                continue;
            }

            if (!handler.Kernel.SequenceEqual(handler.Engine))
            {
                throw new MismatchException(
                    $"what the handler of process {i} was asked: the kernel's {Text(handler.Kernel)}, the engine's {Text(handler.Engine)}");
            }

            LastQuestions.AddRange(handler.Kernel.Select(answered => (i, answered.Question)));
            Counts.Questions += handler.Kernel.Count;
            handler.Kernel.Clear();
            handler.Engine.Clear();
        }

        static string Text(List<AnsweredQuestion> asked) =>
            asked.Count == 0 ? "nothing" : string.Join(", ", asked.Take(8)) + (asked.Count > 8 ? $" and {asked.Count - 8} more" : "");
    }

    /// <summary>The kernel makes tables for all that it is told to fill or to protect, whether or not something comes to stand in them.</summary>
    private void AfterFilling(TestProcess process, ulong address, long length)
    {
        if (_options.Sharing != SharingLevels.None || length <= 0 || (address & 4095) != 0)
        {
            return;
        }

        var range = AddressRange.FromLength(new VirtualAddress(address), length);
        var made = new List<(int Level, ulong Number)>();
        foreach (var area in process.Areas())
        {
            var part = area.Range.Intersect(range);
            for (ulong at = part.Start.Value & ~(Window - 1); at < part.End.Value; at += Window)
            {
                for (int level = Level.Pte; level <= Level.Pud; level++)
                {
                    made.Add((level, at / (ulong)Level.TableSpan(level)));
                }
            }
        }

        MayHaveEmpty(process, made, NamedDifference.TablesForMarks);
    }
}
