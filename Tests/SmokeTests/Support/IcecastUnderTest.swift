import Glibc
import TestSupport

/// A private Icecast on a free port, with one source that sends for as long as this lives.
final class IcecastUnderTest {
    let port: UInt16
    let folder: TemporaryDirectory
    var log: String { folder.file("logs/access.log") }
    private let server: ProcessUnderTest
    private let source: ProcessUnderTest

    /// - Parameter mount: from `/`.
    init(mount: String) throws {
        let folder = try TemporaryDirectory("icecast")
        let port = try FreePort.next()
        (self.folder, self.port) = (folder, port)
        chmod(folder.path, 0o755)
        mkdir(folder.file("logs"), 0o777)
        chmod(folder.file("logs"), 0o777)
        // Icecast does not run as root.
        let owner = geteuid() == 0 ? "<changeowner><user>nobody</user><group>nogroup</group></changeowner>" : ""
        let text = """
            <icecast>
              <location>x</location><admin>x</admin><hostname>localhost</hostname>
              <limits><clients>20</clients><sources>2</sources><source-timeout>10</source-timeout></limits>
              <authentication>
                <source-password>smoke</source-password><relay-password>smoke</relay-password>
                <admin-user>admin</admin-user><admin-password>smoke</admin-password>
              </authentication>
              <listen-socket><port>\(port)</port><bind-address>127.0.0.1</bind-address></listen-socket>
              <fileserve>1</fileserve>
              <paths>
                <basedir>/usr/share/icecast2</basedir><logdir>\(folder.file("logs"))</logdir>
                <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
              </paths>
              <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
              <security><chroot>0</chroot>\(owner)</security>
            </icecast>
            """
        try Files.write(Array(text.utf8), to: folder.file("icecast.xml"))
        server = try ProcessUnderTest(
            ["/usr/bin/icecast2", "-c", folder.file("icecast.xml")], output: folder.file("output.txt"))
        guard Waiting.until(withinSeconds: 20, { FreePort.isListening(port) }) else {
            throw SystemError(
                "start icecast2: \((try? Files.text(folder.file("output.txt"))) ?? "")", code: ECONNREFUSED)
        }
        // As a source client does it: an endless PUT of audio, 16 KiB a second.
        source = try ProcessUnderTest([
            "/usr/bin/python3", "-c",
            """
            import base64, socket, time
            s = socket.create_connection(("127.0.0.1", \(port)))
            word = base64.b64encode(b"source:smoke").decode()
            s.sendall(("PUT \(mount) HTTP/1.1\\r\\nHost: localhost\\r\\nAuthorization: Basic " + word
                + "\\r\\nContent-Type: audio/mpeg\\r\\nIce-Bitrate: 128\\r\\nIce-Name: smoke\\r\\n\\r\\n").encode())
            assert b"200" in s.recv(1000)
            while True:
                s.sendall(b"\\xff\\xfb\\x90\\x00" + bytes(1596))
                time.sleep(0.1)
            """,
        ])
    }

    deinit {
        source.killNow()
        server.terminate()
    }

    /// Somebody who listens until killed.
    func listener(_ mount: String) throws -> ProcessUnderTest {
        try ProcessUnderTest(["/usr/bin/curl", "-s", "-o", "/dev/null", "http://127.0.0.1:\(port)\(mount)"])
    }
}
