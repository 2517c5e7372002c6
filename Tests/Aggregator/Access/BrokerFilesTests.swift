import Access
import Glibc
import Telemetry
import TestSupport
import Testing

@Suite("Broker files", .ownThread) struct BrokerFilesTests {
    @Test("a password hash is the one that mosquitto_passwd writes")
    func passwordHash() throws {
        // `mosquitto_passwd -b` of mosquitto 2.0.11, user "u", password "geheim".
        let salt: [UInt8] = [107, 79, 50, 85, 43, 117, 53, 55, 15, 165, 121, 82]
        let hash = try PasswordHash.make("geheim", salt: salt, iterations: 101)
        let expected =
            "$7$101$a08yVSt1NTcPpXlS$"
            + "ZuIU883urNNoTnsITDWZ4p6Ulm6SQj8QaSxQ1ms4WejfPkUr2SfeHVFV5EW0xlMZe5Hj8+9QhkKmyMWNJGV+iw=="
        #expect(hash == expected)
    }

    @Test("the access file gives each agent its own subtree and its own groups")
    func accessFile() {
        let text = BrokerFiles.accessFile([
            BrokerCredential(
                tenant: TenantID(unchecked: "acme"), agent: AgentID(unchecked: "a"), passwordHash: "x",
                groups: [GroupName(unchecked: "eu")])
        ])
        #expect(
            text == """
                # Written by stagebox-aggregator; changes are overwritten.
                pattern write stagebox/1/%u/up/#
                pattern read stagebox/1/%u/down/#

                user _aggregator
                topic readwrite stagebox/1/#

                user acme/a
                topic read stagebox/1/_fleet/keys
                topic read stagebox/1/acme/_group/eu/down/config

                """)
    }

    @Test("files are private, and written only when something changed")
    func writing() throws {
        let directory = try TemporaryDirectory("broker")
        let files = try BrokerFiles(BrokerConfiguration(directory: directory.file("broker")))
        #expect(try files.write([]))
        #expect(try !files.write([]))
        #expect(
            try files.write([
                BrokerCredential(tenant: TenantID(unchecked: "t"), agent: AgentID(unchecked: "a"), passwordHash: "$7$x")
            ]))
        try files.writeConfiguration(nil)
        for path in [files.passwordPath, files.accessPath, files.configurationPath] {
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        }
        #expect(try Files.text(files.passwordPath).contains("\nt/a:$7$x\n"))
        #expect(try !Files.text(files.passwordPath).contains(files.aggregatorPassword))
    }

    @Test(
        "certificates are made once, verify against the CA, and follow the names",
        .enabled(if: Files.isExecutable("/usr/bin/openssl")))
    func certificates() throws {
        let directory = try TemporaryDirectory("tls")
        let path = directory.file("tls")
        let first = try BrokerCertificates(directory: path, hosts: ["localhost", "127.0.0.1"])
        let hash = try first.serverKeyHash()
        let certificate = try Files.text(first.certificatePath)
        let again = try BrokerCertificates(directory: path, hosts: ["localhost", "127.0.0.1"])
        #expect(try Files.text(again.certificatePath) == certificate)
        let renamed = try BrokerCertificates(directory: path, hosts: ["stagebox.example"])
        #expect(try Files.text(renamed.certificatePath) != certificate)
        #expect(try renamed.serverKeyHash() == hash)
        let verify = try ProcessUnderTest([
            "/usr/bin/openssl", "verify", "-CAfile", first.authorityPath, first.certificatePath,
        ])
        #expect(verify.wait() == .code(0))
        var status = stat()
        #expect(stat(first.keyPath, &status) == 0 && status.st_mode & 0o777 == 0o600)
    }
}
