using Spectre.Console;

namespace Pando.Cli.Run;

/// <summary>Progress as bars, on a terminal.</summary>
internal sealed class BarProgress(IAnsiConsole console) : IRunProgress
{
    private ProgressContext? _context;
    private ProgressTask? _task;

    public void During(Action work) =>
        console.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .Start(context =>
            {
                _context = context;
                work();
                Complete();
            });

    public void Begin(string what, long total)
    {
        Complete();
        _task = _context!.AddTask(Markup.Escape(what), maxValue: Math.Max(total, 1));
    }

    public void Advance(long by) => _task?.Increment(by);

    private void Complete()
    {
        if (_task is { } task)
        {
            task.Value = task.MaxValue;
            task.StopTask();
        }
    }
}
