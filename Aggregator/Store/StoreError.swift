package import SQLite
package import Telemetry

/// What the store could not do, with what it was about.
package struct StoreError: Error, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The file system has no room: nothing of the call was stored; it works again once there is room.
        case full
        /// A file is damaged; it was or will be set aside.
        case damaged
        /// The tenant's bound on series is reached.
        case limit
        /// A block names a table that this store does not hold.
        case unknownTable
        /// Files changed under a reader again and again; it works when it is repeated.
        case busy
        /// Anything else that a file refused.
        case file
    }
    package let code: Code
    package let tenant: TenantID?
    package let message: String
    package let cause: (any Error)?

    package init(_ code: Code, tenant: TenantID? = nil, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.tenant = tenant
        self.message = message
        self.cause = cause
    }

    package init(_ error: SQLiteError, tenant: TenantID?) {
        code = error.isFull ? .full : error.isDamage ? .damaged : .file
        self.tenant = tenant
        message = error.description
        cause = error
    }

    package var description: String {
        "store\(tenant.map { " of \($0)" } ?? ""): \(code.rawValue): \(message)"
    }
}
