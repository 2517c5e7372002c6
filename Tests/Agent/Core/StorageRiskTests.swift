import AgentCore
import TestSupport
import Testing

@Suite("Mount options that threaten the buffer")
struct StorageRiskTests {
    private let table = """
        22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw,errors=remount-ro
        30 22 0:27 / /dev/shm rw,nosuid shared:5 - tmpfs tmpfs rw
        41 22 254:2 / /var/lib rw,noatime shared:9 master:1 - ext4 /dev/vdb rw,data=writeback
        42 41 254:3 / /var/lib/stagebox\\040agent rw,noatime - xfs /dev/vdc rw,nobarrier
        43 22 254:4 / /srv rw - ext4 /dev/vdd rw
        44 22 254:5 / /srv rw - ext4 /dev/vde rw,barrier=0
        45 22 0:50 / /mnt/far rw - nfs4 server:/x rw,vers=4.2
        broken
        """

    @Test(
        "R5: the mount that holds the buffer is found, and what its options threaten is named",
        arguments: [
            ("/", nil), ("/etc", nil), ("/var/library", nil), ("/dev/shm/x", "tmpfs"), ("/var/lib", "data=writeback"),
            ("/var/lib/stagebox-agent", "data=writeback"), ("/var/lib/stagebox agent/x", "nobarrier"),
            ("/srv/a", "barrier=0"), ("/mnt/far/away", "nfs4"),
        ] as [(String, String?)])
    func options(path: String, risk: String?) {
        let found = StorageRisk.find(path: path, mountTable: table)
        #expect((found == nil) == (risk == nil), "\(found ?? "nothing")")
        if let risk { #expect(found?.contains(risk) == true, "\(found ?? "nothing")") }
    }

    @Test("R5: the table is read from the kernel's file, through links")
    func file() throws {
        let directory = try TemporaryDirectory("mounts")
        try directory.write(table.replacing("/srv", with: directory.path), to: "proc/self/mountinfo")
        #expect(
            StorageRisk.find(directory: directory.path, procRoot: directory.file("proc"))?.contains("barrier=0") == true
        )
        #expect(StorageRisk.find(directory: directory.file("none"), procRoot: directory.file("proc")) == nil)
    }
}
