"""The fields of repository configurations: names, types, defaults and whom they belong to (reference 6.3 to 6.7).

What a client sends for a known field comes back as it was sent, also where the behaviour comes later: clients compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

ALL: Final = frozenset({"local", "remote", "virtual", "federated"})
STORING: Final = frozenset({"local", "federated"})
PHYSICAL: Final = STORING | {"remote"}
REMOTE: Final = frozenset({"remote"})
VIRTUAL: Final = frozenset({"virtual"})
DOCKER: Final = frozenset({"docker", "oci", "helmoci"})


def project_of(config: Mapping[str, Any]) -> str:
    """Return the key of the project that a configuration is of; empty: none."""
    return str(config.get("projectKey") or "")


@dataclass(frozen=True, slots=True)
class Field:
    """One field. It is emitted for its classes and package types; `types` empty: for all of them."""

    name: str
    default: Any
    classes: frozenset[str] = ALL
    types: frozenset[str] = frozenset()

    @property
    def kind(self) -> type:
        """The type of its values; text where the default is null."""
        return str if self.default is None else type(self.default)


_SYNCHRONISATION = MappingProxyType({
    "enabled": False, "statistics": {"enabled": False}, "properties": {"enabled": False},
    "source": {"originAbsenceDetection": False},
})  # fmt: skip

_VCS: Final = frozenset({"bower", "cocoapods", "composer", "go", "vcs"})
FIELDS: Final = (
    Field("description", ""),
    Field("notes", ""),
    Field("includesPattern", "**/*"),
    Field("excludesPattern", ""),
    Field("repoLayoutRef", ""),
    Field("projectKey", ""),
    Field("environments", []),
    Field("dockerApiVersion", "V2", types=DOCKER),
    Field("blockPushingSchema1", True, PHYSICAL, DOCKER),
    Field("maxUniqueTags", 0, PHYSICAL),
    Field("dockerTagRetention", 1, STORING, DOCKER),
    Field("immutableTags", False, STORING, DOCKER),  # ours
    Field("checksumPolicyType", "client-checksums", STORING),
    Field("handleReleases", True, PHYSICAL),
    Field("handleSnapshots", True, PHYSICAL),
    Field("maxUniqueSnapshots", 0, PHYSICAL),
    Field("snapshotVersionBehavior", "unique", STORING),
    Field("suppressPomConsistencyChecks", True, PHYSICAL),
    Field("blackedOut", False, PHYSICAL),
    Field("propertySets", [], PHYSICAL),
    Field("archiveBrowsingEnabled", False, PHYSICAL),
    Field("xrayIndex", False, PHYSICAL),
    Field("xrayDataTtl", 90, PHYSICAL),
    Field("priorityResolution", False, PHYSICAL),
    Field("downloadRedirect", False, PHYSICAL),
    Field("cdnRedirect", False, PHYSICAL),
    Field("signedUrlTtl", 90, PHYSICAL),
    Field("calculateYumMetadata", False, STORING),
    Field("yumRootDepth", 0, STORING),
    Field("yumGroupFileNames", "", STORING),
    Field("enableFileListsIndexing", False, PHYSICAL),
    Field("debianTrivialLayout", False, STORING),
    Field("forceNugetAuthentication", False),
    Field("forceP2Authentication", False),
    Field("forceConanAuthentication", False),
    Field("primaryKeyPairRef", ""),
    Field("secondaryKeyPairRef", ""),
    Field("url", "", REMOTE),
    Field("username", "", REMOTE),
    Field("password", "", REMOTE),
    Field("proxy", None, REMOTE),
    Field("disableProxy", False, REMOTE),
    Field("remoteRepoLayoutRef", "", REMOTE),
    Field("remoteRepoChecksumPolicyType", "generate-if-absent", REMOTE),
    Field("hardFail", False, REMOTE),
    Field("offline", False, REMOTE),
    Field("storeArtifactsLocally", True, REMOTE),
    Field("socketTimeoutMillis", 15_000, REMOTE),
    Field("localAddress", "", REMOTE),
    Field("retrievalCachePeriodSecs", 7_200, REMOTE),
    Field("metadataRetrievalTimeoutSecs", 60, REMOTE),
    Field("missedRetrievalCachePeriodSecs", 1_800, REMOTE),
    Field("unusedArtifactsCleanupPeriodHours", 0, REMOTE),
    Field("assumedOfflinePeriodSecs", 300, REMOTE),
    Field("fetchJarsEagerly", False, REMOTE),
    Field("fetchSourcesEagerly", False, REMOTE),
    Field("rejectInvalidJars", False, REMOTE),
    Field("shareConfiguration", False, REMOTE),
    Field("synchronizeProperties", False, REMOTE),
    Field("blockMismatchingMimeTypes", True, REMOTE),
    Field("mismatchingMimeTypesOverrideList", "", REMOTE),
    Field("allowAnyHostAuth", False, REMOTE),
    Field("enableCookieManagement", False, REMOTE),
    Field("bypassHeadRequests", False, REMOTE),
    Field("enableTokenAuthentication", True, REMOTE, DOCKER),
    Field("listRemoteFolderItems", False, REMOTE),
    Field("clientTlsCertificate", "", REMOTE),
    Field("queryParams", "", REMOTE),
    Field("propagateQueryParams", False, REMOTE),
    Field("disableUrlNormalization", False, REMOTE),
    Field("contentSynchronisation", dict(_SYNCHRONISATION), REMOTE),
    Field("externalDependenciesEnabled", False, REMOTE | VIRTUAL),
    Field("externalDependenciesPatterns", [], REMOTE | VIRTUAL),
    Field("dockerProjectId", "", REMOTE, DOCKER),
    Field("repositories", [], VIRTUAL),
    Field("defaultDeploymentRepo", "", VIRTUAL),
    Field("artifactoryRequestsCanRetrieveRemoteArtifacts", False, VIRTUAL),
    Field("resolveDockerTagsByTimestamp", False, VIRTUAL, DOCKER),
    Field("keyPair", "", VIRTUAL),
    Field("pomRepositoryReferencesCleanupPolicy", "discard_active_reference", VIRTUAL),
    Field("forceMavenAuthentication", False, VIRTUAL),
    Field("virtualRetrievalCachePeriodSecs", 600, VIRTUAL),
    Field("hideUnauthorizedResources", False, VIRTUAL),
    Field("members", [], frozenset({"federated"})),
    # of single package types: kept and echoed for the formats that read them
    Field("cargoAnonymousAccess", False, types=frozenset({"cargo"})),
    Field("cargoInternalIndex", False, types=frozenset({"cargo"})),
    Field("gitRegistryUrl", "", REMOTE, frozenset({"cargo"})),
    Field("optionalIndexCompressionFormats", ["bz2"], STORING | VIRTUAL, frozenset({"debian"})),
    Field("ddebSupported", False, STORING, frozenset({"debian"})),
    Field("debianDefaultArchitectures", "i386,amd64", VIRTUAL, frozenset({"debian"})),
    Field("terraformType", "module", STORING, frozenset({"terraform"})),
    Field("encryptStates", False, STORING, frozenset({"terraformbackend"})),
    Field("terraformRegistryUrl", "", REMOTE, frozenset({"terraform"})),
    Field("terraformProvidersUrl", "", REMOTE, frozenset({"terraform"})),
    Field("enableNormalizedVersion", False, STORING, frozenset({"conan", "nuget"})),
    Field("forceNonDuplicateChart", False, STORING, frozenset({"helm"})),
    Field("forceMetadataNameVersion", False, STORING, frozenset({"helm"})),
    Field("chartsBaseUrl", "", REMOTE, frozenset({"helm"})),
    Field("useNamespaces", False, VIRTUAL, frozenset({"helm"})),
    Field("namespacePattern", "", VIRTUAL, frozenset({"helm"})),
    Field("bowerRegistryUrl", "", REMOTE, frozenset({"bower"})),
    Field("podsSpecsRepoUrl", "", REMOTE, frozenset({"cocoapods"})),
    Field("composerRegistryUrl", "", REMOTE, frozenset({"composer"})),
    Field("vcsType", "GIT", REMOTE, _VCS),
    Field("vcsGitProvider", "GITHUB", REMOTE, _VCS),
    Field("vcsGitDownloadUrl", "", REMOTE, _VCS),
    Field("feedContextPath", "api/v2", REMOTE, frozenset({"nuget"})),
    Field("downloadContextPath", "api/v2/package", REMOTE, frozenset({"nuget"})),
    Field("v3FeedUrl", "", REMOTE, frozenset({"nuget"})),
    Field("pyPIRegistryUrl", "", REMOTE, frozenset({"pypi"})),
    Field("pyPIRepositorySuffix", "simple", REMOTE, frozenset({"pypi"})),
    Field("externalDependenciesRemoteRepo", "", VIRTUAL, frozenset({"npm", "bower", "go"})),
    Field("p2Urls", [], VIRTUAL, frozenset({"p2"})),
)
BY_NAME: Final[Mapping[str, Field]] = MappingProxyType({field.name: field for field in FIELDS})

_SIMPLE = [
    "alpine",
    "ansible",
    "cargo",
    "chef",
    "cocoapods",
    "conda",
    "cran",
    "debian",
    "docker",
    "gems",
    "generic",
    "gitlfs",
    "helm",
    "helmoci",
    "hex",
    "huggingfaceml",
    "machinelearning",
    "oci",
    "opkg",
    "p2",
    "pub",
    "pypi",
    "rpm",
    "yum",
    "terraform",
    "terraformbackend",
    "vagrant",
    "vcs",
    "buildinfo",
]
LAYOUTS: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(_SIMPLE, "simple-default")
    | dict.fromkeys(("maven", "gradle", "releasebundles"), "maven-2-default")
    | {
        name: f"{name}-default"
        for name in [
            "ivy",
            "sbt",
            "npm",
            "nuget",
            "bower",
            "composer",
            "conan",
            "puppet",
            "go",
            "swift",
            "ansible",
            "nix",
        ]
    }
)
DISPLAY: Final[Mapping[str, str]] = MappingProxyType({
    "nuget": "NuGet", "rpm": "RPM", "yum": "RPM", "gitlfs": "GitLfs", "p2": "P2", "vcs": "VCS", "cran": "CRAN",
    "buildinfo": "BuildInfo", "cocoapods": "CocoaPods", "helmoci": "HelmOCI", "huggingfaceml": "HuggingFaceML",
})  # fmt: skip


def display_name(package_type: str) -> str:
    """Return a package type as lists show it."""
    return DISPLAY.get(package_type, package_type.capitalize())


def belonging(rclass: str, package_type: str) -> list[Field]:
    """Return the fields that a repository of a class and type has."""
    return [field for field in FIELDS if rclass in field.classes and (not field.types or package_type in field.types)]
