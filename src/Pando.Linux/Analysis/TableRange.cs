namespace Pando.Linux.Analysis;

/// <summary>Numbers of tables from <c>Low</c> to <c>High</c>.</summary>
internal readonly record struct TableRange(double Low, double High)
{
    public static TableRange operator +(TableRange a, TableRange b) => new(a.Low + b.Low, a.High + b.High);

    /// <summary>How far the range reaches from a number in it.</summary>
    public double From(double number) => Math.Max(High - number, number - Low);
}
