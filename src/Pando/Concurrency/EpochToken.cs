namespace Pando.Concurrency;

/// <summary>What <see cref="Epochs.Enter"/> gives and <see cref="Epochs.Exit"/> takes back.</summary>
internal readonly record struct EpochToken(int Counter);
