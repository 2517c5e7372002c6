import Glibc
import Sealing
import TestSupport
import Testing

@Suite("sealed and secret files")
struct SealedFileTests {
    @Test("what is written is read again, by the same key for the same purpose only")
    func roundTrip() throws {
        let directory = try TemporaryDirectory("sealed-file")
        defer { directory.remove() }
        let key = try MachineKey.load(credentialsDirectory: nil, path: directory.file("machine.key"))
        let file = SealedFile(path: directory.file("state"), purpose: "identity", key: key)
        #expect(try file.read() == nil)
        try file.write([1, 2, 3])
        try file.write([4, 5])
        #expect(try file.read() == [4, 5])
        #expect(try !Files.read(directory.file("state")).contains([4, 5]))

        let again = try MachineKey.load(credentialsDirectory: "", path: directory.file("machine.key"))
        #expect(try SealedFile(path: directory.file("state"), purpose: "identity", key: again).read() == [4, 5])
        #expect(throws: SealingError.notAuthentic) {
            try SealedFile(path: directory.file("state"), purpose: "models", key: key).read()
        }
        let other = try MachineKey(secretBytes: [UInt8](repeating: 7, count: 16))
        #expect(throws: SealingError.notAuthentic) {
            try SealedFile(path: directory.file("state"), purpose: "identity", key: other).read()
        }
        #expect(!Files.exists(directory.file("state.new")))
    }

    @Test("every truncation and every flipped byte is an error")
    func damage() throws {
        let directory = try TemporaryDirectory("sealed-file")
        defer { directory.remove() }
        let key = try MachineKey(secretBytes: [UInt8](repeating: 7, count: 16))
        let file = SealedFile(path: directory.file("state"), purpose: "identity", key: key)
        try file.write([1, 2, 3])
        let bytes = try Files.read(directory.file("state"))
        for index in bytes.indices {
            try directory.write(bytes.prefix(index), to: "state")
            #expect(throws: SealingError.self) { try file.read() }
            var changed = bytes
            changed[index] ^= 1
            try directory.write(changed, to: "state")
            #expect(throws: SealingError.self) { try file.read() }
        }
    }

    @Test("a systemd credential goes before the key file")
    func credential() throws {
        let directory = try TemporaryDirectory("sealed-file")
        defer { directory.remove() }
        try directory.write([UInt8](repeating: 9, count: 32), to: "credentials/machine.key")
        let key = try MachineKey.load(
            credentialsDirectory: directory.file("credentials"), path: directory.file("machine.key"))
        #expect(!Files.exists(directory.file("machine.key")))
        try SealedFile(path: directory.file("s"), purpose: "p", key: key).write([1])
        let same = try MachineKey(secretBytes: [UInt8](repeating: 9, count: 32))
        #expect(try SealedFile(path: directory.file("s"), purpose: "p", key: same).read() == [1])
    }

    @Test("a key file is 0600, and one that others can read is refused with its path")
    func keyFileMode() throws {
        let directory = try TemporaryDirectory("sealed-file")
        defer { directory.remove() }
        let path = directory.file("secret")
        try SecretFile.write([1, 2], to: path)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        chmod(path, 0o640)
        #expect { try SecretFile.read(path) } throws: { "\($0)".contains(path) }
        chmod(path, 0o600)
        #expect(try SecretFile.read(path) == [1, 2])
        try SecretFile.destroy(path)
        #expect(try SecretFile.read(path) == nil)
        try SecretFile.destroy(path)
    }

    @Test("an unwritable place is an error that names the call and the path")
    func unwritable() throws {
        #expect { try SecretFile.write([1], to: "/proc/none/secret") } throws: {
            guard case SealingError.system("open", path: let path, code: _)? = $0 as? SealingError else { return false }
            return path.hasPrefix("/proc/none/secret")
        }
    }
}
