using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>The handler of one process's user faults on both sides: what it was asked by each, and what came of its answers.</summary>
/// <param name="answer">What to do about a question.</param>
internal sealed class LockstepHandler(Func<UserFaultQuestion, UserFaultAnswer> answer) : IUserFaultHandler
{
    // Far more than a range of some MiB has pages: an access that asks so often asks for ever.
    private const int MostQuestions = 20_000;

    /// <summary>What the kernel's side asked in this step.</summary>
    public List<AnsweredQuestion> Kernel { get; } = [];

    /// <summary>What the engine's side asked in this step.</summary>
    public List<AnsweredQuestion> Engine { get; } = [];

    /// <summary>Whether the access is one that the kernel's handler is not told of (UFFD_USER_MODE_ONLY): it ends in a bus error.</summary>
    public bool Refuses { get; set; }

    /// <summary>Makes the kernel's side of an answer.</summary>
    public void Answer(UserFaultQuestion question, Func<UserFaultAnswer, Errno> perform) => Note(Kernel, question, perform);

    /// <summary>Makes the engine's side of an answer.</summary>
    public Func<UserFaultQuestion, UserFaultAnswer, Errno>? Perform { get; set; }

    public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access)
    {
        if (Refuses)
        {
            return false;
        }

        var question = new UserFaultQuestion(address.Value, kind, access == AccessKind.Write);
        Note(Engine, question, chosen => Perform!(question, chosen));
        return true;
    }

    private void Note(List<AnsweredQuestion> asked, UserFaultQuestion question, Func<UserFaultAnswer, Errno> perform)
    {
        if (asked.Count >= MostQuestions)
        {
            throw new MismatchException($"the handler of the {(asked == Kernel ? "kernel" : "engine")} is asked for ever, last {question}");
        }

        var chosen = answer(question);
        asked.Add(new AnsweredQuestion(question, chosen, perform(chosen)));
    }
}
