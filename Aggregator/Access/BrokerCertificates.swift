import Glibc
import Sealing
package import Telemetry

/// The fleet's certificate authority and the server's TLS certificate, made with the `openssl` command:
/// ECDSA P-256, names in the SAN. The same certificate serves the broker and the HTTP listener.
///
/// | file | validity |
/// | --- | --- |
/// | `ca.key`, `ca.pem` | ten years; the agents pin it |
/// | `server.key`, `server.pem` | 397 days; made anew below 30 days or for other names, with the same key |
package struct BrokerCertificates: Hashable, Sendable {
    package let directory: String
    package var authorityPath: String { "\(directory)/ca.pem" }
    package var certificatePath: String { "\(directory)/server.pem" }
    package var keyPath: String { "\(directory)/server.key" }

    /// Makes what is missing or about to end.
    /// - Throws: ``AccessError`` when there is no `openssl` or it fails.
    package init(directory: String, hosts: [String]) throws {
        self.directory = directory
        try Directories.create(directory, mode: 0o700)
        guard let openssl = Subprocess.find("openssl") else {
            throw AccessError(.system, "the openssl command is not installed (apt-get install openssl)")
        }
        if !Directories.exists(authorityPath) { try Self.makeAuthority(openssl, directory) }
        let names = hosts.map { Self.isAddress($0) ? "IP:\($0)" : "DNS:\($0)" }.joined(separator: ",")
        let namesPath = "\(directory)/server.names"
        if Directories.text(namesPath) != names || !Self.isFresh(openssl, certificatePath) {
            try Self.makeServer(openssl, directory, names: names, commonName: hosts.first ?? "localhost")
            try SecretFile.write(Array(names.utf8), to: namesPath)
        }
    }

    /// What another process made there; nothing is made.
    package init(reading directory: String) { self.directory = directory }

    /// The CA's certificate, PEM.
    package func authority() throws -> String {
        guard let text = Directories.text(authorityPath) else {
            throw AccessError(.system, "cannot read \(authorityPath)")
        }
        return text
    }

    /// SHA-256 of the server's SubjectPublicKeyInfo, which enrolment tokens pin.
    package func serverKeyHash() throws -> ID256 {
        guard let openssl = Subprocess.find("openssl") else { throw AccessError(.system, "no openssl command") }
        let text = try Subprocess.run([openssl, "x509", "-in", certificatePath, "-pubkey", "-noout"])
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("-----") }
        guard let key = Base64.decode(lines.joined()), let hash = ID256(bytes: try PasswordHash.sha256(key)) else {
            throw AccessError(.system, "openssl prints no public key for \(certificatePath)")
        }
        return hash
    }

    private static func makeAuthority(_ openssl: String, _ directory: String) throws {
        try makeKey(openssl, "\(directory)/ca.key")
        try Subprocess.run([
            openssl, "req", "-x509", "-new", "-key", "\(directory)/ca.key", "-sha256", "-days", "3650",
            "-subj", "/CN=Stagebox fleet CA", "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", "\(directory)/ca.pem.new",
        ])
        try move("\(directory)/ca.pem.new", "\(directory)/ca.pem")
    }

    private static func makeServer(
        _ openssl: String, _ directory: String, names: String, commonName: String
    ) throws {
        if !Directories.exists("\(directory)/server.key") { try makeKey(openssl, "\(directory)/server.key") }
        let request = "\(directory)/server.csr"
        let extensions = "\(directory)/server.ext"
        defer {
            unlink(request)
            unlink(extensions)
        }
        let text = """
            basicConstraints=critical,CA:FALSE
            keyUsage=critical,digitalSignature
            extendedKeyUsage=serverAuth
            subjectAltName=\(names)

            """
        try SecretFile.write(Array(text.utf8), to: extensions)
        try Subprocess.run([
            openssl, "req", "-new", "-key", "\(directory)/server.key", "-subj", "/CN=\(commonName)", "-out", request,
        ])
        try Subprocess.run([
            openssl, "x509", "-req", "-in", request, "-CA", "\(directory)/ca.pem", "-CAkey", "\(directory)/ca.key",
            "-set_serial", "0x\(Hexadecimal.encode([1] + RandomBytes.make(15)))", "-sha256", "-days", "397",
            "-extfile", extensions, "-out", "\(directory)/server.pem.new",
        ])
        try move("\(directory)/server.pem.new", "\(directory)/server.pem")
    }

    private static func makeKey(_ openssl: String, _ path: String) throws {
        let temporary = "\(path).new"
        // openssl makes private keys with mode 0600; the chmod is a second lock.
        try Subprocess.run([
            openssl, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", temporary,
        ])
        chmod(temporary, 0o600)
        try move(temporary, path)
    }

    private static func move(_ from: String, _ to: String) throws {
        guard rename(from, to) == 0 else {
            throw AccessError(.system, "cannot rename \(from) to \(to): \(String(cString: strerror(errno)))")
        }
    }

    /// Whether it is there and lasts 30 days more by the wall clock, which TLS peers go by.
    private static func isFresh(_ openssl: String, _ path: String) -> Bool {
        guard Directories.exists(path) else { return false }
        // A failure means "ends within the time", which is the answer.
        return (try? Subprocess.run([openssl, "x509", "-in", path, "-noout", "-checkend", "2592000"])) != nil
    }

    private static func isAddress(_ host: String) -> Bool {
        var storage = in6_addr()
        return inet_pton(AF_INET, host, &storage) == 1 || inet_pton(AF_INET6, host, &storage) == 1
    }
}
