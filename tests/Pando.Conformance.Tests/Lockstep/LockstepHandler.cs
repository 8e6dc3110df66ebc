using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>
/// The handler of one process's user faults on both sides: what it was asked by each, and what came of its answers. The kernel is first, and the
/// engine's questions are answered as the kernel's were.
/// </summary>
/// <param name="decide">What is to be done about a question of the kernel's; the outcome is open.</param>
/// <param name="kernel">Does it on the kernel's side.</param>
/// <param name="engine">Does it on the engine's side.</param>
internal sealed class LockstepHandler(
    Func<UserFaultQuestion, AnsweredQuestion> decide, Func<AnsweredQuestion, Errno> kernel, Func<AnsweredQuestion, Errno> engine) : IUserFaultHandler
{
    // Far more than a range of some MiB has pages: an access that asks so often asks for ever.
    private const int MostQuestions = 20_000;

    /// <summary>What the kernel's side asked in this step.</summary>
    public List<AnsweredQuestion> Kernel { get; } = [];

    /// <summary>What the engine's side asked in this step.</summary>
    public List<AnsweredQuestion> Engine { get; } = [];

    /// <summary>Whether the access is one that the kernel's handler is not told of (UFFD_USER_MODE_ONLY): it ends in a bus error.</summary>
    public bool Refuses { get; set; }

    /// <summary>The pages that it was asked for in this step and refused.</summary>
    public List<ulong> Refused { get; } = [];

    /// <summary>Answers a question of the kernel's.</summary>
    public void Answer(UserFaultQuestion question)
    {
        if (Kernel.Count >= MostQuestions)
        {
            throw new MismatchException($"the kernel's handler is asked for ever, last {question}");
        }

        var answer = decide(question);
        Kernel.Add(answer with { Outcome = kernel(answer) });
    }

    public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access)
    {
        if (Refuses)
        {
            Refused.Add(address.Value);
            return false;
        }

        var question = new UserFaultQuestion(address.Value, kind, access == AccessKind.Write);
        if (Engine.Count == Kernel.Count)
        {
            throw new MismatchException($"the engine's handler is asked for {question}, after {Engine.Count} questions that both were asked; the kernel's is not");
        }

        var answer = Kernel[Engine.Count] with { Question = question };
        Engine.Add(answer with { Outcome = engine(answer) });
        return true;
    }
}
