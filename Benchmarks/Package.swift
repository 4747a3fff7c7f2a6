// swift-tools-version: 6.1
import PackageDescription

// Benchmarks, in a package of their own so that building Millrace does not build them. See docs/performance.md.
//   swift run -c release --package-path Benchmarks bench --help     end to end: event in Kafka, row in PostgreSQL
//   swift run -c release --package-path Benchmarks micro --help     the steps of the hot path, one by one
let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func millrace(_ name: String) -> Target.Dependency { .product(name: name, package: "millrace") }

let package = Package(
    name: "millrace-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "millrace", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .target(name: "CAllocationCount"),
        .target(name: "CBenchmark"),
        .target(name: "CProjection", linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "Workloads", swiftSettings: swiftSettings),
        .executableTarget(
            name: "micro",
            dependencies: [
                "CAllocationCount", "CBenchmark", "CProjection", "Workloads", millrace("MillraceCore"),
                millrace("MillraceRuntime"), millrace("MillraceFormats"), millrace("MillraceModels"),
                millrace("MillracePostgres"), millrace("MillraceEngine"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "bench",
            dependencies: [
                "CBenchmark", "Workloads", millrace("CLibrdkafka"), millrace("CLibpq"), millrace("MillraceCore"),
                millrace("MillraceKafka"), millrace("MillracePostgres"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "BenchmarkTests",
            dependencies: [
                "bench", "micro", "Workloads", millrace("MillraceCore"), millrace("MillraceRuntime"),
                millrace("MillraceModels"),
            ],
            swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
