namespace Pando.Exec.Files;

/// <summary>A description that stays open for the length of a call, whoever closes its descriptor meanwhile.</summary>
internal readonly ref struct DescriptorUse
{
    private readonly OpenDescription? _description;

    internal DescriptorUse(OpenDescription? description) => _description = description;

    /// <summary>Whether there is one; if not the answer is EBADF.</summary>
    internal bool IsOpen => _description is not null;

    /// <summary>The description.</summary>
    internal OpenDescription Description => _description!;

    /// <summary>The host's descriptor; -1 where there is none, which the host answers with EBADF.</summary>
    internal int Host => _description?.Descriptor ?? -1;

    /// <summary>Lets it go.</summary>
    public void Dispose() => _description?.Release();
}
