using Pando.Conformance.Tests.Kernel;
using Pando.Files;
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

    // Whether anything was filled, or was tried to be, by UFFDIO_COPY and the like.
    private bool _filled;

    /// <summary>What handlers do about a question; each of them is for one kind of question.</summary>
    public Func<UserFaultQuestion, AreaInfo, UserFaultAnswer> Answers { get; set; } = static (question, _) => question.Kind switch
    {
        UserFaultKind.Missing => UserFaultAnswer.Copy,
        UserFaultKind.Minor => UserFaultAnswer.Continue,
        _ => UserFaultAnswer.Unprotect,
    };

    /// <summary>Answers of all kinds, by the page alone, so that any part of a run is a run.</summary>
    private static UserFaultAnswer MixedAnswer(UserFaultQuestion question, AreaInfo area)
    {
        ulong die = (question.Address / (ulong)Page * 0x9e3779b97f4a7c15) >> 60;
        bool protects = (area.Flags & AreaFlags.UserWriteProtect) != 0;
        return (question.Kind, die) switch
        {
            (_, 15) => UserFaultAnswer.Unregister,
            (UserFaultKind.Missing, < 5) when protects => UserFaultAnswer.CopyProtected,
            (UserFaultKind.Missing, < 8) when area.File is null || (area.Shared && area.File.MappingAlignment == Page) => UserFaultAnswer.Zero,
            (UserFaultKind.Missing, _) => UserFaultAnswer.Copy,
            (UserFaultKind.Minor, < 5) when protects => UserFaultAnswer.ContinueProtected,
            (UserFaultKind.Minor, _) => UserFaultAnswer.Continue,
            (_, < 3) => UserFaultAnswer.UnprotectArea,
            _ => UserFaultAnswer.Unprotect,
        };
    }

    /// <summary>Whether the engine's side of a write protection is being made.</summary>
    public bool IsProtecting { get; private set; }

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
            ShowWhatTheKernelShows(process, HostileRange.Of(at, register.Length), ofAll: false);
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
    /// Where a handler may be asked for what the file has, or put something in its place, it matters which entries there are. The kernel keeps those of
    /// pages around a fault, too, and those that stood in a file's table, which the engine leaves (<see cref="NamedDifference.EntriesComeBackByFault"/>).
    /// </summary>
    private void ShowWhatTheKernelShows(TestProcess process, AddressRange range, bool ofAll)
    {
        const ulong Present = 1UL << 63;
        foreach (var area in process.Areas())
        {
            var part = area.Range.Intersect(range);
            bool matters = (area.Flags & (area.Shared ? AreaFlags.UserMinor | AreaFlags.UserWriteProtect : AnyUserFault)) != 0;
            if (part.IsEmpty || area.File is null || (area.Flags & AnyUserFault) == 0 || !(matters || ofAll))
            {
                continue;
            }

            ulong[] entries = process.Agent.PageEntries(part.Start.Value, part.Length);
            for (int i = 0; i < entries.Length; i++)
            {
                var page = part.Start + (i * Page);
                if ((entries[i] & Present) != 0 && process.Space.FindOwnLeaf(page).IsNone)
                {
                    var (start, length) = PageOf(area, page.Value);
                    bool isProtected = process.Space.ProtectedPages.Has(page);
                    var error = process.Space.UserContinue(new VirtualAddress(start), length, isProtected);
                    Same(Errno.None, matters ? error : Errno.None, $"the outcome of showing {page}, which the kernel shows");
                    Counts.Count(NamedDifference.EntriesComeBackByFault, error == Errno.None ? 1 : 0);
                }
            }
        }
    }

    /// <summary>
    /// A file of huge pages has become smaller: what was protected past its end the kernel protects no more; of other files it does. Here the one is as the other
    /// (<see cref="NamedDifference.TruncationEndsNoProtection"/>).
    /// </summary>
    private void ProtectWhatTheKernelForgot(TestFile file)
    {
        for (int i = 0; i < Processes; i++)
        {
            if (!Has(i) || file.Engine.MappingAlignment == Page)
            {
                continue;
            }

            var process = At(i);
            foreach (var area in process.Areas().FindAll(area => area.File == file.Engine && (area.Flags & AreaFlags.UserWriteProtect) != 0))
            {
                for (var at = area.Range.Start; at < area.Range.End; at += file.Engine.MappingAlignment)
                {
                    if (area.Offset + (at - area.Range.Start) >= file.Engine.Size && process.Space.ProtectedPages.Has(at))
                    {
                        Require(process.Agent.UserFaults!.WriteProtect(at.Value, file.Engine.MappingAlignment, true), "UFFDIO_WRITEPROTECT");
                        Counts.Count(NamedDifference.TruncationEndsNoProtection);
                    }
                }
            }
        }
    }

    /// <summary>
    /// A file has lost pages: where a private mapping of it was filled with zeroes, the kernel has no entry any more (<see cref="NamedDifference.ZeroesAreThePrivatePage"/>).
    /// </summary>
    private void DropZeroesThatTheKernelDropped(MappedFile file)
    {
        for (int i = 0; i < Processes && _filled; i++)
        {
            foreach (var area in Has(i) ? At(i).Areas().FindAll(area => area.File == file && !area.Shared) : [])
            {
                ulong[] entries = At(i).Agent.PageEntries(area.Range.Start.Value, area.Range.Length);
                for (int page = 0; page < entries.Length; page++)
                {
                    var at = area.Range.Start + (page * Page);
                    if (!AgentProcess.IsPage(entries[page]) && !At(i).Space.FindOwnLeaf(at).IsNone && IsZeroHere(At(i), at))
                    {
                        // What is locked is not dropped on demand.
                        var locks = area.Flags & (AreaFlags.Locked | AreaFlags.LockedOnFault);
                        At(i).Space.SetLock(at, Page, AreaFlags.None, out _);
                        Same(Errno.None, At(i).Space.Advise(at, Page, Advice.DontNeed), $"the outcome of dropping {at}, which the kernel has dropped");
                        At(i).Space.SetLock(at, Page, locks, out _);
                        Counts.Count(NamedDifference.ZeroesAreThePrivatePage);
                    }
                }
            }
        }
    }

    private bool IsZeroHere(TestProcess process, VirtualAddress page) =>
        Machine.Memory.Bytes(Machine.Format.TargetOf(process.Space.FindOwnLeaf(page), Level.Pte), (int)Page).IndexOfAnyExcept((byte)0) < 0;

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
        if (LastOutcome != Errno.None && IsUserFaultRange(process, at, unregister.Length))
        {
            // Up to a cut through a huge page, where all before it could be cut.
            foreach (var piece in AreaPieces(process, HostileRange.Of(at, unregister.Length)))
            {
                if (!at.IsAligned(AreaAt(process, at).File?.MappingAlignment ?? Page) || process.Space.UnregisterUserFaults(piece.Start, piece.Length) != Errno.None)
                {
                    break;
                }

                Counts.Count(NamedDifference.AllOrNothing);
            }
        }
    }

    private void ProvideBoth(ProvideAt provide)
    {
        var process = WithUserFaults(provide.Space);
        _filled = true;
        ShowWhatTheKernelShows(process, PagesOf(provide.Address, provide.Length), ofAll: true);
        var error = Provided(process, provide.Address, provide.Length, provide.Value, provide.Protects);
        if (IsCutForTheKernel(process, error, provide.Address, provide.Length))
        {
            return;
        }

        Outcome(-(long)error, EngineProvides(process.Space, provide.Address, provide.Length, provide.Value, provide.Protects));
        AfterFilling(process, provide.Address, provide.Length);
    }

    private void ContinueBoth(ContinueAt onward)
    {
        var process = WithUserFaults(onward.Space);
        _filled = true;
        ShowWhatTheKernelShows(process, PagesOf(onward.Address, onward.Length), ofAll: true);
        var error = Continued(process, onward.Address, onward.Length, onward.Protects);
        if (IsCutForTheKernel(process, error, onward.Address, onward.Length))
        {
            return;
        }

        var engine = process.Space.UserContinue(new VirtualAddress(onward.Address), onward.Length, onward.Protects);
        if (engine == Errno.EEXIST && error == Errno.None && _options.Sharing != SharingLevels.None)
        {
            // What others have faulted into a shared table is there for this process, too.
            Counts.Count(NamedDifference.SharedTablesShowAll);
            engine = Errno.None;
        }

        Outcome(-(long)error, engine);
        AfterFilling(process, onward.Address, onward.Length);
    }

    /// <summary>The kernel fills one area at a time; where it keeps apart what is one here, the engine is not asked (<see cref="NamedDifference.FillAcrossKeptApart"/>).</summary>
    private bool IsCutForTheKernel(TestProcess process, Errno error, ulong address, long length)
    {
        if (error != Errno.ENOENT || !process.KeptApart.Any(at => at > address && at < address + (ulong)length))
        {
            return false;
        }

        Counts.Count(NamedDifference.FillAcrossKeptApart);
        LastOutcome = error;
        return true;
    }

    private void WriteProtectBoth(WriteProtectAt protect)
    {
        var process = WithUserFaults(protect.Space);
        var at = new VirtualAddress(protect.Address);
        long result = process.Agent.UserFaults!.WriteProtect(protect.Address, protect.Length, protect.Protects);
        IsProtecting = true;
        var error = process.Space.UserWriteProtect(at, protect.Length, protect.Protects);
        IsProtecting = false;
        Outcome(result, error);
        if (error != Errno.None && IsUserFaultRange(process, at, protect.Length))
        {
            // Up to the first area that is not registered for it.
            foreach (var piece in MappedParts(process, at, protect.Length).SelectMany(part => AreaPieces(process, part)))
            {
                long page = AreaAt(process, piece.Start).File?.MappingAlignment ?? Page;
                if (!at.IsAligned(page) || protect.Length % page != 0 || process.Space.UserWriteProtect(piece.Start, piece.Length, protect.Protects) != Errno.None)
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

    /// <summary>Whether arguments are a range to the kernel (validate_range), so that a refusal may have come after a part was done.</summary>
    private static bool IsUserFaultRange(TestProcess process, VirtualAddress at, long length) =>
        X64.OffsetInPage(at) == 0 && length > 0 && length % Page == 0 && at < process.Space.UserEnd && (ulong)length <= process.Space.UserEnd.Value - at.Value;

    private static AddressRange PagesOf(ulong address, long length) =>
        HostileRange.Of(new VirtualAddress(address & ~((ulong)Page - 1)), length > 0 ? (length + Page - 1) & -Page : 0);

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

            process.Handler = new LockstepHandler(
                question => Decide(process, question), answer => AnswerOfKernel(process, answer), answer => AnswerOfEngine(process, answer));
            process.Agent.Asked = process.Handler.Answer;
        }

        return process;
    }

    private static (ulong Address, long Length) PageOf(AreaInfo area, ulong address)
    {
        long page = area.File?.MappingAlignment ?? Page;
        return (address & ~((ulong)page - 1), page);
    }

    /// <summary>What is done, and to what: the page, or all of the kernel's area that has it.</summary>
    private AnsweredQuestion Decide(TestProcess process, UserFaultQuestion question)
    {
        _filled = true;
        var area = AreaAt(process, new VirtualAddress(question.Address));
        var answer = Answers(question, area);
        if (answer is not (UserFaultAnswer.UnprotectArea or UserFaultAnswer.Unregister))
        {
            var (page, length) = PageOf(area, question.Address);
            return new AnsweredQuestion(question, answer, page, length, Errno.None);
        }

        var all = Array.Find(process.Agent.Areas(), one => one.Start <= question.Address && question.Address < one.End);
        return new AnsweredQuestion(question, answer, all.Start, (long)all.Length, Errno.None);
    }

    private Errno AnswerOfKernel(TestProcess process, AnsweredQuestion asked)
    {
        var faults = process.Agent.UserFaults!;
        var (address, length) = (asked.Address, asked.Length);
        var error = asked.Answer switch
        {
            UserFaultAnswer.Copy or UserFaultAnswer.CopyProtected => Provided(process, address, length, ContentsOf(address), asked.Answer == UserFaultAnswer.CopyProtected),
            UserFaultAnswer.Zero => Provided(process, address, length, 0, false),
            UserFaultAnswer.Continue or UserFaultAnswer.ContinueProtected => Continued(process, address, length, asked.Answer == UserFaultAnswer.ContinueProtected),
            UserFaultAnswer.Unprotect or UserFaultAnswer.UnprotectArea => ErrorOf(faults.WriteProtect(address, length, false)),
            _ => ErrorOf(faults.Unregister(address, length)),
        };
        faults.Wake(address, length);
        return error;
    }

    private static Errno AnswerOfEngine(TestProcess process, AnsweredQuestion asked)
    {
        var (at, length) = (new VirtualAddress(asked.Address), asked.Length);
        return asked.Answer switch
        {
            UserFaultAnswer.Copy or UserFaultAnswer.CopyProtected =>
                EngineProvides(process.Space, asked.Address, length, ContentsOf(asked.Address), asked.Answer == UserFaultAnswer.CopyProtected),
            UserFaultAnswer.Zero => EngineProvides(process.Space, asked.Address, length, 0, false),
            UserFaultAnswer.Continue or UserFaultAnswer.ContinueProtected => process.Space.UserContinue(at, length, asked.Answer == UserFaultAnswer.ContinueProtected),
            UserFaultAnswer.Unprotect or UserFaultAnswer.UnprotectArea => process.Space.UserWriteProtect(at, length, false),
            _ => process.Space.UnregisterUserFaults(at, length, process.Handler),
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

            foreach (ulong page in handler.Refused)
            {
                // The fault had made its tables.
                AfterFilling(At(i), page, Page);
            }

            handler.Refused.Clear();
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

        var range = HostileRange.Of(new VirtualAddress(address), length);
        var made = new List<(int Level, ulong Number)>();
        foreach (var area in process.Areas())
        {
            var part = area.Range.Intersect(range);
            for (ulong at = part.Start.Value & ~(Window - 1); !part.IsEmpty && at < part.End.Value; at += Window)
            {
                for (int level = Level.Pte; level <= Level.Pud; level++)
                {
                    made.Add((level, at / (ulong)X64.TableSpan(level)));
                }
            }
        }

        MayHaveEmpty(process, made, NamedDifference.TablesForMarks);
    }
}
