import Sealing
import Synchronization
package import Telemetry

/// One agent's access to the broker.
package struct BrokerCredential: Hashable, Sendable {
    package var tenant: TenantID
    package var agent: AgentID
    /// As ``PasswordHash`` makes it.
    package var passwordHash: String
    package var groups: [GroupName]

    package init(tenant: TenantID, agent: AgentID, passwordHash: String, groups: [GroupName] = []) {
        self.tenant = tenant
        self.agent = agent
        self.passwordHash = passwordHash
        self.groups = groups
    }
    package var userName: String { "\(tenant)/\(agent)" }
}

/// How the supervised or external mosquitto is set up.
package struct BrokerConfiguration: Hashable, Sendable {
    /// Where the files go.
    package var directory: String
    /// Address to listen on.
    package var address: String
    package var port: UInt16
    /// false: plain TCP, for loopback only.
    package var isTLS: Bool
    /// Names and addresses that the server certificate is for.
    package var hosts: [String]
    /// Largest packet that the broker takes; a batch and its header.
    package var packetBytesMax = 512 * 1024
    /// Per client: the aggregator's persistent session holds this much while it is away.
    package var queuedMessagesMax = 100_000
    package var queuedBytesMax: Int64 = 256 << 20
    package var inflightMax = 1024

    package init(
        directory: String, address: String = "127.0.0.1", port: UInt16 = 8883, isTLS: Bool = true,
        hosts: [String] = ["localhost", "127.0.0.1"]
    ) {
        self.directory = directory
        self.address = address
        self.port = port
        self.isTLS = isTLS
        self.hosts = hosts
    }
}

/// Writes mosquitto's password, ACL and configuration files; every change is atomic, mode 0600.
///
/// Isolation: a user is `{tenant}/{agent}`, and mosquitto puts that name for `%u`, so one pattern gives each
/// agent its own subtree and nothing else. mosquitto grants every SUBSCRIBE and filters delivery.
package final class BrokerFiles: Sendable {
    /// The leading `_` keeps it apart from every agent; it has no tenant.
    package static let aggregatorUser = "_aggregator"

    package let configuration: BrokerConfiguration
    /// The aggregator's own password. Never log it.
    package let aggregatorPassword: String
    private let aggregatorHash: String
    private let written = Mutex<String>("")

    package var configurationPath: String { "\(configuration.directory)/mosquitto.conf" }
    package var passwordPath: String { "\(configuration.directory)/passwords" }
    package var accessPath: String { "\(configuration.directory)/access" }

    /// Makes the directory and the aggregator's password.
    package init(_ configuration: BrokerConfiguration) throws {
        self.configuration = configuration
        try Directories.create(configuration.directory, mode: 0o700)
        try Directories.create("\(configuration.directory)/data", mode: 0o700)
        let secret = try SecretFile.loadOrMake("\(configuration.directory)/aggregator.password") {
            RandomBytes.make(32)
        }
        aggregatorPassword = Hexadecimal.encode(secret)
        aggregatorHash = try PasswordHash.make(aggregatorPassword)
    }

    /// Writes the password and ACL files.
    /// - Returns: whether anything changed, so that the broker has to read them.
    @discardableResult
    package func write(_ credentials: [BrokerCredential]) throws -> Bool {
        let passwords = Self.passwordFile(credentials, aggregatorHash: aggregatorHash)
        let access = Self.accessFile(credentials)
        return try written.withLock { written in
            guard written != passwords + access else { return false }
            // The ACL first: a user without rights is harmless, rights without a user too.
            try SecretFile.write(Array(access.utf8), to: accessPath)
            try SecretFile.write(Array(passwords.utf8), to: passwordPath)
            written = passwords + access
            return true
        }
    }

    package func writeConfiguration(_ certificates: BrokerCertificates?) throws {
        let text = Self.configurationFile(
            configuration, certificates: certificates, passwordPath: passwordPath, accessPath: accessPath)
        try SecretFile.write(Array(text.utf8), to: configurationPath)
    }

    package static func passwordFile(_ credentials: [BrokerCredential], aggregatorHash: String) -> String {
        var text = "\(aggregatorUser):\(aggregatorHash)\n"
        for credential in credentials { text += "\(credential.userName):\(credential.passwordHash)\n" }
        return text
    }

    /// Patterns hold for every user; group and key topics are listed user by user.
    package static func accessFile(_ credentials: [BrokerCredential]) -> String {
        var text = """
            # Written by stagebox-aggregator; changes are overwritten.
            pattern write stagebox/1/%u/up/#
            pattern read stagebox/1/%u/down/#

            user \(aggregatorUser)
            topic readwrite stagebox/1/#

            """
        for credential in credentials {
            text += "\nuser \(credential.userName)\ntopic read stagebox/1/_fleet/keys\n"
            for group in credential.groups {
                text += "topic read stagebox/1/\(credential.tenant)/_group/\(group)/down/config\n"
            }
        }
        return text
    }

    package static func configurationFile(
        _ configuration: BrokerConfiguration, certificates: BrokerCertificates?, passwordPath: String,
        accessPath: String
    ) -> String {
        var text = """
            # Written by stagebox-aggregator; changes are overwritten.
            per_listener_settings false
            allow_anonymous false
            password_file \(passwordPath)
            acl_file \(accessPath)
            user \(CurrentUser.name)
            persistence true
            persistence_location \(configuration.directory)/data/
            autosave_interval 60
            max_packet_size \(configuration.packetBytesMax)
            max_inflight_messages \(configuration.inflightMax)
            max_queued_messages \(configuration.queuedMessagesMax)
            max_queued_bytes \(configuration.queuedBytesMax)
            persistent_client_expiration 7d
            set_tcp_nodelay true
            log_dest stderr
            log_type error
            log_type warning
            log_type notice
            connection_messages false
            listener \(configuration.port) \(configuration.address)

            """
        if let certificates {
            text += """
                cafile \(certificates.authorityPath)
                certfile \(certificates.certificatePath)
                keyfile \(certificates.keyPath)
                tls_version tlsv1.3

                """
        }
        return text
    }
}
