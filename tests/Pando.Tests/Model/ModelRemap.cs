namespace Pando.Tests.Model;

/// <summary>What mremap(2) will do.</summary>
/// <param name="Error">Its error.</param>
/// <param name="Way">How it goes, where there is none.</param>
/// <param name="Target">The address that it gives; null where the kernel may choose.</param>
internal readonly record struct ModelRemap(Errno Error, ModelRemapWay Way = ModelRemapWay.InPlace, ulong? Target = null);
