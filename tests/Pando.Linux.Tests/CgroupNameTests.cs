using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Tests.Shared;

namespace Pando.Linux.Tests;

/// <summary>What cgroups are called by those who make them.</summary>
public class CgroupNameTests
{
    private const string Id = "4f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff0";
    private const string Pod = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
    private const string PodInUnit = "0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0";

    [Theory]
    [InlineData("/system.slice/docker-" + Id + ".scope", CgroupKind.Container, "docker 4f1d2c3b4a59")]
    [InlineData("/docker/" + Id, CgroupKind.Container, "docker 4f1d2c3b4a59")]
    [InlineData("/docker/" + Id + "/system.slice/sshd.service", CgroupKind.Container, "docker 4f1d2c3b4a59")]
    [InlineData("/../docker-" + Id + ".scope", CgroupKind.Container, "docker 4f1d2c3b4a59")]
    [InlineData("/machine.slice/libpod-" + Id + ".scope/container", CgroupKind.Container, "podman 4f1d2c3b4a59")]
    [InlineData("/machine.slice/libpod-conmon-" + Id + ".scope", CgroupKind.Container, "podman 4f1d2c3b4a59")]
    [InlineData("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + Id + ".scope/container", CgroupKind.Container, "podman 4f1d2c3b4a59")]
    [InlineData("/libpod_parent/libpod-" + Id, CgroupKind.Container, "podman 4f1d2c3b4a59")]
    [InlineData("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + PodInUnit + ".slice/cri-containerd-" + Id + ".scope", CgroupKind.Container, "pod " + Pod + ": containerd 4f1d2c3b4a59")]
    [InlineData("/kubepods.slice/kubepods-pod" + PodInUnit + ".slice/crio-" + Id + ".scope", CgroupKind.Container, "pod " + Pod + ": cri-o 4f1d2c3b4a59")]
    [InlineData("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + PodInUnit + ".slice/cri-containerd-" + Id + ".scope", CgroupKind.Container, "pod " + Pod + ": containerd 4f1d2c3b4a59")]
    [InlineData("/kubepods/besteffort/pod" + Pod + "/" + Id, CgroupKind.Container, "pod " + Pod + ": container 4f1d2c3b4a59")]
    [InlineData("/kubepods/pod" + Pod, CgroupKind.Pod, "pod " + Pod)]
    [InlineData("/kubepods/burstable/pod0f1e2d3c4b5a69788796a5b4c3d2e1f0/" + Id, CgroupKind.Container, "pod 0f1e2d3c4b5a69788796a5b4c3d2e1f0: container 4f1d2c3b4a59")] // a static pod
    [InlineData("/system.slice/containerd.service/kubepods-burstable-pod" + PodInUnit + ".slice:cri-containerd:" + Id, CgroupKind.Container, "pod " + Pod + ": containerd 4f1d2c3b4a59")]
    [InlineData("/kubepods.slice/kubepods-burstable.slice", CgroupKind.Slice, "kubepods-burstable.slice")]
    [InlineData("/default/" + Id, CgroupKind.Container, "container 4f1d2c3b4a59")]
    [InlineData("/ecs/9a8b7c6d5e4f/" + Id, CgroupKind.Container, "container 4f1d2c3b4a59")]
    [InlineData("/system.slice/nginx.service", CgroupKind.Unit, "nginx.service")]
    [InlineData("/system.slice/system-postgresql.slice/postgresql@15-main.service", CgroupKind.Unit, "postgresql@15-main.service")]
    [InlineData("/system.slice/a\\x2db\\x20c.service", CgroupKind.Unit, "a-b c.service")]
    [InlineData("/user.slice/user-1000.slice/session-3.scope", CgroupKind.Unit, "session-3.scope")]
    [InlineData("/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-1.scope", CgroupKind.Unit, "app-firefox-1.scope")]
    [InlineData("/machine.slice/machine-qemu\\x2d1\\x2dmy\\x2dvm.scope/libvirt/emulator", CgroupKind.VirtualMachine, "my-vm")]
    [InlineData("/machine/qemu-7-web.libvirt-qemu/vcpu0", CgroupKind.VirtualMachine, "web")]
    [InlineData("/lxc/web/system.slice/ssh.service", CgroupKind.Container, "web")]
    [InlineData("/lxc.payload.web/init.scope", CgroupKind.Container, "web")]
    [InlineData("/machine.slice/systemd-nspawn@build.service/payload", CgroupKind.Container, "build")]
    [InlineData("/system.slice/slurmstepd.scope/job_42/step_0/user/task_0", CgroupKind.Job, "job 42 step 0")]
    [InlineData("/slurm/uid_1000/job_42/step_batch", CgroupKind.Job, "job 42 step batch")]
    [InlineData("/", CgroupKind.Other, "")]
    [InlineData("", CgroupKind.Other, "")]
    [InlineData("/process_api/b9b294b8778325b00dfa9fe672fbcb18", CgroupKind.Other, "")]
    [InlineData("/podcast/x", CgroupKind.Other, "")]
    public void A_path_tells_pod_container_unit_machine_and_job(string path, object kind, string label)
    {
        var name = CgroupName.Of(path);

        Assert.Equal(((CgroupKind)kind, label), (name.Kind, name.Label(null, null)));
    }

    [Fact]
    public void Names_for_users_stand_in_place_of_ids_where_they_are_known()
    {
        var name = CgroupName.Of($"/kubepods/pod{Pod}/{Id}");

        Assert.Equal("shop/db-0: postgres", name.Label("postgres", "shop/db-0"));
        Assert.Equal("shop/db-0: container 4f1d2c3b4a59", name.Label(null, "shop/db-0"));
        Assert.Equal("web", CgroupName.Of($"/docker/{Id}").Label("web", null));
    }

    [Fact]
    public void Ten_thousand_mutated_paths_are_read_without_an_error()
    {
        string[] seeds = [$"/system.slice/docker-{Id}.scope", $"/kubepods.slice/kubepods-pod{PodInUnit}.slice/crio-{Id}.scope", "/system.slice/a\\x2db.service", "/machine.slice/machine-qemu\\x2d1\\x2dx.scope", "/lxc/w", "/slurm/job_1/step_2"];
        Fuzz.ForEach(random =>
        {
            var path = Mutation.Of(seeds[random.Next(seeds.Length)], random);

            var name = CgroupName.Of(path);

            Assert.True(name.ContainerId.Length is 0 or 64);
            Assert.All(name.ContainerId, c => Assert.True(char.IsAsciiHexDigit(c)));
            _ = name.Label(null, null);
        });
    }

    [Fact]
    public void A_name_that_no_kernel_gives_is_read_as_well()
    {
        // Where its cost were quadratic, this would take minutes.
        Assert.Empty(CgroupName.Of("/" + new string(':', 1 << 20) + "/" + string.Concat(Enumerable.Repeat("a-", 1 << 19)) + "/x.service").ContainerId);
        Assert.Empty(CgroupName.Of(string.Concat(Enumerable.Repeat("/" + new string('a', 255), 1000))).ContainerId);
    }
}
