import Glibc
import TestSupport

/// A private nginx on a free port: `/` answers, everything else comes from ``files`` or is 404.
final class NginxUnderTest {
    let port: UInt16
    let folder: TemporaryDirectory
    var log: String { folder.file("access.log") }
    var files: String { folder.file("files") }
    private let process: ProcessUnderTest
    private var rotations = 0

    init() throws {
        let folder = try TemporaryDirectory("nginx")
        let port = try FreePort.next()
        (self.folder, self.port) = (folder, port)
        // Workers of a master that root started are nobody.
        chmod(folder.file(""), 0o755)
        mkdir(folder.file("files"), 0o755)
        let scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
            "\($0)_temp_path \(folder.file($0));"
        }
        let text = """
            daemon off;
            pid \(folder.file("nginx.pid"));
            error_log \(folder.file("error.log"));
            events { worker_connections 64; }
            http {
              \(scratch.joined(separator: "\n  "))
              types { application/vnd.apple.mpegurl m3u8; text/plain txt prom; }
              log_format timed '$remote_addr - $remote_user [$time_local] "$request" '
                               '$status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time';
              access_log \(folder.file("access.log")) timed;
              server {
                listen 127.0.0.1:\(port);
                root \(folder.file("files"));
                location = / { return 200 "hello\\n"; }
              }
            }
            """
        try Files.write(Array(text.utf8), to: folder.file("nginx.conf"))
        process = try ProcessUnderTest(
            [
                "/usr/sbin/nginx", "-p", folder.file(""), "-c", folder.file("nginx.conf"), "-e",
                folder.file("error.log"),
            ],
            output: folder.file("output.txt"))
        guard Waiting.until(withinSeconds: 20, { FreePort.isListening(port) }) else {
            throw SystemError("start nginx: \((try? Files.text(folder.file("output.txt"))) ?? "")", code: ECONNREFUSED)
        }
    }

    deinit { process.terminate() }

    /// As logrotate does it: rename, then tell nginx, which opens the log anew.
    func rotate() throws {
        rotations += 1
        let opened = folder.file("access.log")
        guard rename(opened, folder.file("access.log.\(rotations)")) == 0 else { throw SystemError("rotate") }
        process.send(SIGUSR1)
        guard Waiting.until(withinSeconds: 20, { Files.exists(opened) }) else {
            throw SystemError("nginx to open its log", code: ETIMEDOUT)
        }
    }
}
