using Pando.Hardware;
using Pando.Kvm.Guests;

namespace Pando.Cli.Run;

/// <summary>What runs the program in every process.</summary>
/// <param name="UsesKvm">Real processors, as KVM vCPUs; else the software processor.</param>
/// <param name="IsRequired">Nothing else will do.</param>
/// <param name="Why">Where it was left to the command and KVM cannot be used: why not, in one line.</param>
internal sealed record ProcessorChoice(bool UsesKvm, bool IsRequired, string Why)
{
    /// <summary>The software processor, and why.</summary>
    public static ProcessorChoice Software(string why) => new(UsesKvm: false, IsRequired: false, why);

    /// <summary>Reads what was given to --processor, and looks at the host.</summary>
    /// <exception cref="InputException">It is no kind of processor, or KVM was asked for and cannot be used.</exception>
    public static ProcessorChoice Choose(string text, X64Format format)
    {
        string kind = text.Trim();
        if (kind.Equals("software", StringComparison.OrdinalIgnoreCase))
        {
            return Software("");
        }

        bool required = kind.Equals("kvm", StringComparison.OrdinalIgnoreCase);
        if (!required && !kind.Equals("auto", StringComparison.OrdinalIgnoreCase))
        {
            throw new InputException($"--processor: '{text}' is no kind of processor; use kvm, software or auto");
        }

        var availability = KvmAvailability.Check(format.Geometry.Levels);
        return availability.IsUsable ? new ProcessorChoice(UsesKvm: true, required, "")
            : required ? throw new InputException($"--processor: KVM cannot be used here: {availability.Reason}; use --processor software")
            : Software(availability.Reason);
    }
}
