using Iced.Intel;

namespace Pando.Kvm.Programs;

/// <summary>Assembled instructions and the addresses of the labels that were asked for.</summary>
/// <param name="Bytes">The code, for the address it was assembled at.</param>
/// <param name="Addresses">One address per label, in the order given.</param>
internal sealed record MachineCode(byte[] Bytes, ulong[] Addresses)
{
    /// <summary>Assembles for <paramref name="address"/>.</summary>
    /// <exception cref="InvalidOperationException">An instruction cannot be encoded: the program is wrong.</exception>
    internal static MachineCode Assemble(Assembler assembler, ulong address, IReadOnlyList<Label> labels)
    {
        using var bytes = new MemoryStream();
        var result = assembler.Assemble(new StreamCodeWriter(bytes), address, BlockEncoderOptions.ReturnNewInstructionOffsets);
        var addresses = new ulong[labels.Count];
        for (var i = 0; i < addresses.Length; i++)
        {
            addresses[i] = result.GetLabelRIP(labels[i]);
        }

        return new MachineCode(bytes.ToArray(), addresses);
    }
}
