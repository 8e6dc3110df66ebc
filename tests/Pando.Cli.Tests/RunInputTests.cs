using Pando.Cli.Run;
using Pando.Hardware;

namespace Pando.Cli.Tests;

public class RunInputTests
{
    private const long Available = 16L << 30;

    [Fact]
    public void Without_options_it_is_the_case_of_the_thread()
    {
        var options = new RunInput().Validate(Available);
        Assert.Equal(6L << 40, options.Memory);
        Assert.Equal(10_000, options.Processes);
        Assert.Equal(2L << 20, options.PageSize);
        Assert.Equal(["512GiB", "1GiB", "none"], options.Shares.Select(share => share.Name));
        Assert.Same(X64Format.FourLevels, options.Format);
        Assert.Equal(RunInput.DefaultBudget, options.Budget);
        Assert.Null(options.PmemPath);
    }

    public static TheoryData<string, string, string> BadInput => new()
    {
        { "Memory", "3MiB", "use 2MiB or 4MiB, or --page 4KiB" },
        { "Memory", "0", "use at least one page, 2MiB" },
        { "Memory", "5000", "use 2MiB" },
        { "Memory", "128TiB", "use that or less, or --levels 5" },
        { "Memory", "4PiB", "at most 127TiB" },
        { "Memory", "six", "as in 6TiB" },
        { "Processes", "0", "from 1 to" },
        { "Processes", "-5", "from 1 to" },
        { "Processes", "many", "from 1 to" },
        { "Processes", "99999999999999999999", "from 1 to" },
        { "Page", "3MiB", "use 4KiB or 2MiB or 1GiB" },
        { "Page", "big", "as in 6TiB" },
        { "Share", "4GiB", "use none, 2MiB, 1GiB, 512GiB" },
        { "Levels", "3", "use 4 or 5" },
        { "Threads", "0", "from 1 to" },
        { "Budget", "17GiB", "use less" },
        { "Budget", "1MiB", "use --budget 25MiB or more, or less --memory" },
        { "Page", "4KiB", "or --page 2MiB" },
        { "Pmem", "", "give a path" },
        { "Pmem", "/no-such-directory/pmem.img", "make it first" },
        { "Pmem", "/", "is a directory" },
    };

    [Theory]
    [MemberData(nameof(BadInput))]
    public void Bad_input_is_refused_in_one_line_that_says_what_would_work(string option, string value, string hint)
    {
        var input = new RunInput();
        input = option switch
        {
            "Memory" => input with { Memory = value },
            "Processes" => input with { Processes = value },
            "Page" => input with { Page = value },
            "Share" => input with { Share = [value] },
            "Levels" => input with { Levels = value },
            "Threads" => input with { Threads = value },
            "Budget" => input with { Budget = value },
            _ => input with { Pmem = value },
        };
        var e = Assert.Throws<InputException>(() => input.Validate(Available));
        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_file_that_is_too_small_is_refused_and_stays_as_it_is()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["small.img"], "something");
        var e = Assert.Throws<InputException>(() => new RunInput { Pmem = directory["small.img"] }.Validate(Available));
        Assert.Contains("has 9 bytes, the memory has 6 TiB", e.Message, StringComparison.Ordinal);
        Assert.Equal("something", File.ReadAllText(directory["small.img"]));
    }

    [Fact]
    public void Levels_of_sharing_may_be_given_one_by_one_or_in_a_list()
    {
        var options = new RunInput { Share = ["none,2MiB", "1GIB", "none"], Budget = "1GiB" }.Validate(Available);
        Assert.Equal(["none", "2MiB", "1GiB"], options.Shares.Select(share => share.Name));
    }

    [Fact]
    public void Of_the_default_what_does_not_fit_is_left_out_but_what_was_asked_for_is_not()
    {
        var input = new RunInput { Memory = "200TiB", Levels = "5" };
        var options = input.Validate(Available);
        Assert.Equal(["512GiB", "1GiB"], options.Shares.Select(share => share.Name));
        Assert.Equal(["none"], options.LeftOut.Select(share => share.Name));
        Assert.Throws<InputException>(() => (input with { Share = ["512GiB", "none"] }).Validate(Available));
    }

    [Fact]
    public void The_budget_is_never_more_than_half_of_what_is_free_unless_it_is_given()
    {
        Assert.Equal(300L << 20, new RunInput().Validate(600L << 20).Budget);
        Assert.Equal(500L << 20, new RunInput { Budget = "500MiB" }.Validate(600L << 20).Budget);
    }
}
