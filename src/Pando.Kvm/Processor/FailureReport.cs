using System.Globalization;
using System.Text;
using Pando.Kvm.Physical;
using Pando.Kvm.Native;

namespace Pando.Kvm.Processor;

/// <summary>A vCPU that cannot go on: the cause, all registers, and the walk of the address that matters.</summary>
internal sealed class FailureReport
{
    private FailureReport(string cause, KvmRegisters registers, KvmSpecialRegisters special, TableWalk walk)
    {
        Cause = cause;
        Registers = registers;
        Special = special;
        Walk = walk;
    }

    internal string Cause { get; }

    internal KvmRegisters Registers { get; }

    internal KvmSpecialRegisters Special { get; }

    /// <summary>The walk of CR2, or of RIP where CR2 is 0.</summary>
    internal TableWalk Walk { get; }

    internal static FailureReport Of(string cause, in KvmRegisters registers, in KvmSpecialRegisters special, GuestMemory memory)
    {
        var address = special.Cr2 != 0 ? special.Cr2 : registers.Rip;
        return new FailureReport(cause, registers, special, TableWalk.From(memory, special.Cr3, address));
    }

    /// <summary>KVM's own words for an exit that is none of the stub's.</summary>
    internal static unsafe string Describe(KvmRun* run)
    {
        switch (run->ExitReason)
        {
            case KvmExitReason.Shutdown:
                return "shutdown: a fault while a fault was delivered (is the kernel entry in this root table?).";
            case KvmExitReason.FailEntry:
                return $"the processor refused to enter guest mode, hardware reason 0x{run->FailEntryReason:x}";
            case KvmExitReason.InternalError:
                var text = new StringBuilder();
                text.Append(CultureInfo.InvariantCulture, $"KVM internal error {run->InternalError} ({InternalErrorName(run->InternalError)}), data");
                var count = (int)Math.Min(run->InternalDataCount, 16);
                for (var i = 0; i < count; i++)
                {
                    text.Append(CultureInfo.InvariantCulture, $" {run->InternalData[i]:x}");
                }

                return text.ToString();
            default:
                return $"exit reason {run->ExitReason}, which this machine never asks for";
        }
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        var r = Registers;
        var s = Special;
        text.AppendLine(CultureInfo.InvariantCulture, $"vCPU failed: {Cause}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  rip {r.Rip:x16} rsp {r.Rsp:x16} rflags {r.Rflags:x8} cs {s.Cs.Selector:x4} ss {s.Ss.Selector:x4}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  rax {r.Rax:x16} rbx {r.Rbx:x16} rcx {r.Rcx:x16} rdx {r.Rdx:x16}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  rsi {r.Rsi:x16} rdi {r.Rdi:x16} rbp {r.Rbp:x16}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  r8  {r.R8:x16} r9  {r.R9:x16} r10 {r.R10:x16} r11 {r.R11:x16}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  r12 {r.R12:x16} r13 {r.R13:x16} r14 {r.R14:x16} r15 {r.R15:x16}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  cr0 {s.Cr0:x8} cr2 {s.Cr2:x16} cr3 {s.Cr3:x16} cr4 {s.Cr4:x8} efer {s.Efer:x4}");
        text.Append(Walk);
        return text.ToString();
    }

    private static string InternalErrorName(uint error) => error switch
    {
        1 => "an instruction it cannot emulate",
        2 => "simultaneous exceptions",
        3 => "exception during delivery",
        4 => "unexpected exit reason",
        _ => "unknown",
    };
}
