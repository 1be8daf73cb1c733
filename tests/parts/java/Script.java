import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.entity.ContentType;
import org.jfrog.artifactory.client.Artifactory;
import org.jfrog.artifactory.client.ArtifactoryClientBuilder;
import org.jfrog.artifactory.client.ArtifactoryRequest;
import org.jfrog.artifactory.client.ArtifactoryResponse;
import org.jfrog.artifactory.client.ItemHandle;
import org.jfrog.artifactory.client.RepositoryHandle;
import org.jfrog.artifactory.client.impl.ArtifactoryRequestImpl;
import org.jfrog.artifactory.client.model.FederatedMember;
import org.jfrog.artifactory.client.model.Folder;
import org.jfrog.artifactory.client.model.Group;
import org.jfrog.artifactory.client.model.LocalRepository;
import org.jfrog.artifactory.client.model.PermissionTarget;
import org.jfrog.artifactory.client.model.PluginType;
import org.jfrog.artifactory.client.model.Principal;
import org.jfrog.artifactory.client.model.Privilege;
import org.jfrog.artifactory.client.model.RemoteRepository;
import org.jfrog.artifactory.client.model.Repository;
import org.jfrog.artifactory.client.model.User;
import org.jfrog.artifactory.client.model.VirtualRepository;
import org.jfrog.artifactory.client.model.builder.RepositoryBuilders;
import org.jfrog.artifactory.client.model.builder.SecurityBuilders;
import org.jfrog.artifactory.client.model.builder.impl.LocalReplicationBuilderImpl;
import org.jfrog.artifactory.client.model.impl.RepositoryTypeImpl;
import org.jfrog.artifactory.client.model.repository.settings.impl.GenericRepositorySettingsImpl;
import org.jfrog.artifactory.client.model.repository.settings.impl.MavenRepositorySettingsImpl;
import org.jfrog.filespecs.FileSpec;

/**
 * Every method of JFrog's Java client once, as a script would use it: a line for each, "method TAB ok" or what went wrong.
 *
 * Arguments: the URL, a name and its password.
 */
public final class Script {
    private static final String LOCAL = "java-local";
    private static final String REMOTE = "java-remote";
    private static final String VIRTUAL = "java-virtual";
    private static final String FEDERATED = "java-federated";
    private static final String MAVEN = "java-maven";
    private static final String TEXT = "some text\n";

    private final Artifactory client;
    private final String url;

    private interface Step {
        void run() throws Exception;
    }

    private Script(String url, String user, String password) {
        this.url = url;
        this.client = connected(url).setUsername(user).setPassword(password).build();
    }

    public static void main(String[] arguments) {
        Script script = new Script(arguments[0], arguments[1], arguments[2]);
        script.system(arguments[1]);
        script.repositories();
        script.files();
        script.properties();
        script.archives();
        script.searches();
        script.security();
        script.calls();
        script.later();
        script.away();
        script.client.close();
    }

    private static ArtifactoryClientBuilder connected(String url) {
        return ArtifactoryClientBuilder.create().setUrl(url + "/artifactory").setConnectionTimeout(10_000).setSocketTimeout(60_000)
            .setUserAgent("entrepot-tests");
    }

    private void system(String user) {
        step("artifactory.uri", () -> same(client.getUri() + "/" + client.getContextName(), url + "/artifactory"));
        step("artifactory.username", () -> same(client.getUsername() + client.getUserAgent(), user + "entrepot-tests"));
        step("system.ping", () -> holds(client.system().ping()));
        step("system.version", () -> {
            var version = client.system().version();
            holds(version.getVersion().startsWith("7."));
            holds(Long.parseLong(version.getRevision()) > 0);
            holds(version.getAddons().size() > 5);
            holds(version.getLicense() != null);
        });
        step("system.configuration", () -> holds(client.system().configuration().contains("<config")));
        step("system.yamlConfiguration", () -> client.system().yamlConfiguration("offlineMode: false\n"));
        step("system.info", () -> {
            var info = client.system().info();
            holds(info.getNumberOfCores() > 0 && info.getThreadCount() > 0 && info.getJvmUpTime() > 0 && info.getProcessCpuTime() > 0);
            holds(info.getTotalPhysicalMemorySize() >= info.getFreePhysicalMemorySize() && info.getFreePhysicalMemorySize() > 0);
            holds(info.getTotalSwapSpaceSize() >= info.getFreeSwapSpaceSize() && info.getFreeSwapSpaceSize() >= 0);
            holds(info.getHeapMemoryMax() >= info.getHeapMemoryUsage() && info.getHeapMemoryUsage() > 0);
            holds(info.getNoneHeapMemoryMax() >= info.getNoneHeapMemoryUsage() && info.getNoneHeapMemoryUsage() >= 0);
            holds(info.getMaxFileDescriptorCount() >= info.getOpenFileDescriptorCount() && info.getOpenFileDescriptorCount() > 0);
            holds(info.getProcessCpuLoad() >= 0 && info.getSystemCpuLoad() >= 0 && info.getCommittedVirtualMemorySize() > 0);
        });
        step("storage.info", () -> {
            var info = client.storage().getStorageInfo();
            holds(info.getBinariesSummary().getBinariesCount() != null);
            holds(info.getFileStoreSummary().getStorageType() != null);
            holds(!info.getRepositoriesSummaryList().isEmpty());
        });
        step("builder.accessToken", () -> {
            Map<?, ?> made = client.post("/api/security/token", ContentType.APPLICATION_FORM_URLENCODED, "username=" + user, Map.of(),
                HashMap.class, Map.class);
            String token = (String) made.get("access_token");
            try (Artifactory other = connected(url).setAccessToken(token).build()) {
                holds(other.system().version() != null);
            }
        });
    }

    private void repositories() {
        RepositoryBuilders builders = client.repositories().builders();
        step("repositories.create.local", () -> {
            LocalRepository local = builders.localRepositoryBuilder().key(LOCAL).description("of Java").notes("notes")
                .includesPattern("**/*").excludesPattern("no/**").archiveBrowsingEnabled(true).propertySets(List.of())
                .repositorySettings(new GenericRepositorySettingsImpl()).build();
            holds(client.repositories().create(0, local).contains(LOCAL));
            LocalRepository back = (LocalRepository) client.repository(LOCAL).get();
            same(back.getKey() + back.getDescription() + back.getNotes(), local.getKey() + "of Java" + "notes");
            holds(back.isArchiveBrowsingEnabled());
        });
        step("repositories.create.maven", () -> client.repositories().create(0, builders.localRepositoryBuilder().key(MAVEN)
            .repositorySettings(new MavenRepositorySettingsImpl()).build()));
        step("repositories.create.remote", () -> {
            client.repositories().create(0, builders.remoteRepositoryBuilder().key(REMOTE).url("http://far.invalid/")
                .username("u").password("p").socketTimeoutMillis(5000).hardFail(true)
                .repositorySettings(new GenericRepositorySettingsImpl()).build());
            RemoteRepository back = (RemoteRepository) client.repository(REMOTE).get();
            same(back.getUrl() + back.getUsername(), "http://far.invalid/" + "u");
            holds(back.isHardFail());
            same(back.getSocketTimeoutMillis(), 5000);
        });
        step("repositories.create.virtual", () -> {
            client.repositories().create(0, builders.virtualRepositoryBuilder().key(VIRTUAL).repositories(List.of(LOCAL, REMOTE))
                .defaultDeploymentRepo(LOCAL).repositorySettings(new GenericRepositorySettingsImpl()).build());
            VirtualRepository back = (VirtualRepository) client.repository(VIRTUAL).get();
            same(List.copyOf(back.getRepositories()), List.of(LOCAL, REMOTE));
            same(back.getDefaultDeploymentRepo(), LOCAL);
        });
        step("repositories.create.federated", () -> {
            client.repositories().create(0, builders.federatedRepositoryBuilder().key(FEDERATED)
                .members(List.of(new FederatedMember(url + "/artifactory/" + FEDERATED, true)))
                .repositorySettings(new GenericRepositorySettingsImpl()).build());
            same(client.repository(FEDERATED).get().getRclass(), RepositoryTypeImpl.FEDERATED);
        });
        step("repositories.update", () -> {
            LocalRepository local = (LocalRepository) client.repository(LOCAL).get();
            Repository changed = builders.builderFrom(local).description("changed").build();
            holds(client.repositories().update(changed).contains(LOCAL));
            same(client.repository(LOCAL).get().getDescription(), "changed");
        });
        step("repositories.list", () -> {
            same(keys(RepositoryTypeImpl.LOCAL).containsAll(Set.of(LOCAL, MAVEN)), true);
            holds(keys(RepositoryTypeImpl.REMOTE).contains(REMOTE));
            holds(keys(RepositoryTypeImpl.VIRTUAL).contains(VIRTUAL));
            holds(keys(RepositoryTypeImpl.FEDERATED).contains(FEDERATED));
        });
        step("repository.exists", () -> {
            holds(client.repository(LOCAL).exists());
            holds(!client.repository("java-none").exists());
        });
    }

    private Set<String> keys(RepositoryTypeImpl type) {
        return client.repositories().list(type).stream().map(one -> one.getKey()).collect(Collectors.toSet());
    }

    private void files() {
        RepositoryHandle local = client.repository(LOCAL);
        step("upload.stream", () -> {
            var file = local.upload("a/one.txt", stream(TEXT)).withSize(TEXT.length()).withProperty("color", "red")
                .withProperty("size", "s", "m").doUpload();
            same(file.getRepo() + file.getPath(), LOCAL + "/a/one.txt");
            same(file.getSize(), (long) TEXT.length());
            holds(file.getDownloadUri().endsWith("/artifactory/" + LOCAL + "/a/one.txt"));
            holds(file.getCreatedBy() != null && file.getChecksums().getSha256().length() == 64);
        });
        step("upload.file", () -> {
            List<Long> seen = new ArrayList<>();
            File source = File.createTempFile("entrepot", ".txt");
            Files.writeString(source.toPath(), TEXT.repeat(1000));
            local.upload("a/two.txt", source).withListener((sent, total) -> seen.add(sent)).doUpload();
            holds(!seen.isEmpty());
            same(text(local.download("a/two.txt").doDownload()), TEXT.repeat(1000));
        });
        step("upload.bySha1Checksum", () -> {
            File source = File.createTempFile("entrepot", ".txt");
            Files.writeString(source.toPath(), TEXT);
            local.upload("a/by-checksum.txt", source).bySha1Checksum().doUpload();
            same(text(local.download("a/by-checksum.txt").doDownload()), TEXT);
        });
        step("copyBySha1", () -> {
            org.jfrog.artifactory.client.model.File one = local.file("a/one.txt").info();
            local.copyBySha1("a/copied.txt", one.getChecksums().getSha1()).doUpload();
            same(text(local.download("a/copied.txt").doDownload()), TEXT);
        });
        step("upload.virtual", () -> same(client.repository(VIRTUAL).upload("v/one.txt", stream(TEXT)).doUpload().getRepo(), LOCAL));
        step("download", () -> same(text(local.download("a/one.txt").doDownload()), TEXT));
        step("download.withHeaders", () -> same(
            text(local.download("a/one.txt").doDownloadWithHeaders(Map.of("Range", "bytes=0-3"))), TEXT.substring(0, 4)));
        step("download.withProperty", () -> {
            same(text(local.download("a/one.txt").withProperty("color", "red").doDownload()), TEXT);
            same(text(local.download("a/one.txt").withProperty("none", "x").doDownload()), TEXT);
            refused(404, () -> local.download("a/one.txt").withProperty("color", "blue").doDownload());
        });
        step("download.withMandatoryProperty", () -> {
            same(text(local.download("a/one.txt").withMandatoryProperty("color", "red").doDownload()), TEXT);
            refused(404, () -> local.download("a/one.txt").withMandatoryProperty("none", "x").doDownload());
        });
        step("item.info.file", () -> {
            org.jfrog.artifactory.client.model.File one = local.file("a/one.txt").info();
            same(one.getName() + one.getMimeType() + one.isFolder(), "one.txt" + "text/plain" + false);
            holds(one.getLastModified() != null && one.getLastUpdated() != null && one.getCreated() != null);
            holds(one.getOriginalChecksums().getSha1() != null && one.getModifiedBy() != null);
        });
        step("item.info.folder", () -> {
            Folder folder = local.folder("a").info();
            same(folder.getChildren().stream().map(one -> one.getUri()).collect(Collectors.toList()),
                List.of("/by-checksum.txt", "/copied.txt", "/one.txt", "/two.txt"));
        });
        step("item.isFolder", () -> {
            holds(local.folder("a").isFolder());
            holds(local.isFolder("a") && !local.isFolder("a/one.txt"));
        });
        step("folder.create", () -> same(local.folder("made/here").create().getPath(), "/made/here/"));
        step("item.copy", () -> {
            ItemHandle copied = local.file("a/one.txt").copy(LOCAL, "b/copy.txt");
            same(copied.<org.jfrog.artifactory.client.model.File>info().getPath(), "/b/copy.txt");
            fails(() -> local.file("a/none.txt").copy(LOCAL, "b/none.txt"));
        });
        step("item.move", () -> {
            ItemHandle moved = local.file("b/copy.txt").move(LOCAL, "b/moved.txt");
            same(moved.<org.jfrog.artifactory.client.model.File>info().getPath(), "/b/moved.txt");
            refused(404, () -> local.file("b/copy.txt").info());
        });
        step("item.effectivePermissions", () -> holds(local.file("a/one.txt").effectivePermissions() != null));
        step("repository.effectivePermissions", () -> holds(local.effectivePermissions() != null));
        step("repository.delete.item", () -> {
            local.delete("b");
            refused(404, () -> local.folder("b").info());
        });
    }

    private void properties() {
        ItemHandle one = client.repository(LOCAL).file("a/one.txt");
        step("properties.get", () -> {
            same(one.getProperties("color", "size"), Map.of("color", List.of("red"), "size", List.of("s", "m")));
            same(one.getPropertyValues("size"), List.of("s", "m"));
        });
        step("properties.set", () -> {
            String marked = "<label for=\"male\">Male, | And Female = Love</label>";
            one.properties().addProperty("label", marked).addProperty("many", "1", "2").addProperties(Map.of("more", "x")).doSet();
            same(one.getPropertyValues("label"), List.of(marked));
            same(one.getPropertyValues("many"), List.of("1", "2"));
            same(one.getPropertyValues("more"), List.of("x"));
        });
        step("properties.set.recursive", () -> {
            client.repository(LOCAL).folder("a").properties().addProperty("deep", "yes").doSet(true);
            same(client.repository(LOCAL).file("a/two.txt").getPropertyValues("deep"), List.of("yes"));
        });
        step("properties.delete", () -> {
            one.deleteProperty("label");
            one.deleteProperties("many", "more");
            same(one.getProperties("label", "many", "more", "deep"), Map.of("deep", List.of("yes")));
        });
    }

    private void archives() {
        RepositoryHandle local = client.repository(LOCAL);
        for (boolean atomic : new boolean[] {false, true}) {
            step("upload.explode" + (atomic ? ".atomic" : ""), () -> {
                String folder = "exploded-" + atomic;
                local.upload(folder + "/x.zip", new ByteArrayInputStream(zipped())).doUploadAndExplode(atomic);
                Folder made = local.folder(folder).info();
                same(made.getChildren().stream().map(one -> one.getUri()).collect(Collectors.toList()), List.of("/1.txt", "/2.txt", "/3.txt"));
            });
        }
    }

    private void searches() {
        RepositoryHandle maven = client.repository(MAVEN);
        step("searches.artifactsByName", () ->
            same(client.searches().repositories(LOCAL).artifactsByName("two.t").doSearch().get(0).getItemPath(), "a/two.txt"));
        step("searches.artifactsCreatedSince", () ->
            holds(!client.searches().repositories(LOCAL).artifactsCreatedSince(1).doSearch().isEmpty()));
        step("searches.artifactsCreatedInDateRange", () -> holds(
            !client.searches().repositories(LOCAL).artifactsCreatedInDateRange(1, System.currentTimeMillis() + 60_000).doSearch().isEmpty()));
        step("searches.itemsByProperty", () -> {
            var found = client.searches().itemsByProperty().repositories(LOCAL).property("color", "red").properties(Map.of("deep", "yes")).doSearch();
            same(found.stream().map(one -> one.getRepoKey() + ":" + one.getItemPath()).collect(Collectors.toList()), List.of(LOCAL + ":a/one.txt"));
        });
        step("searches.artifactsByGavc", () -> {
            for (String version : List.of("1.0", "1.2")) {
                maven.upload("org/acme/app/" + version + "/app-" + version + "-sources.jar", stream(version)).doUpload();
            }
            var found = client.searches().repositories(MAVEN).artifactsByGavc().groupId("org.acme").artifactId("app").version("1.0")
                .classifier("sources").doSearch();
            same(found.size(), 1);
        });
        step("searches.artifactsLatestVersion", () -> same(client.searches().repositories(MAVEN).artifactsLatestVersion()
            .groupId("org.acme").artifactId("app").doRawSearch(), "1.2"));
        step("searches.artifactsByFileSpec", () -> {
            FileSpec spec = FileSpec.fromString("{\"files\":[{\"pattern\":\"" + LOCAL + "/a/*.txt\",\"props\":\"color=red\"}]}");
            var found = client.searches().artifactsByFileSpec(spec);
            same(found.size(), 1);
            same(found.get(0).getPath() + "/" + found.get(0).getName(), "a/one.txt");
            same(found.get(0).getSize(), (long) TEXT.length());
        });
    }

    private void security() {
        SecurityBuilders builders = client.security().builders();
        step("security.group", () -> {
            client.security().createOrUpdateGroup(builders.groupBuilder().name("java-people").description("of Java").autoJoin(false).build());
            Group back = client.security().group("java-people");
            same(back.getName() + back.getDescription() + back.isAutoJoin(), "java-people" + "of Java" + false);
            holds(client.security().groupNames().contains("java-people"));
        });
        step("security.user", () -> {
            client.security().createOrUpdate(builders.userBuilder().name("java-user").email("java@acme.test").password("Rosebud-1941")
                .admin(false).profileUpdatable(true).addGroup("java-people").build());
            User back = client.security().user("java-user");
            same(back.getEmail() + back.isAdmin(), "java@acme.test" + false);
            holds(back.getGroups().contains("java-people"));
            holds(client.security().userNames().contains("java-user"));
            client.security().createOrUpdate(builders.userBuilder().name("java-user").email("other@acme.test").password("Rosebud-1941").build());
            same(client.security().user("java-user").getEmail(), "other@acme.test");
        });
        step("security.permissionTarget", () -> {
            Principal user = builders.principalBuilder().name("java-user").privileges(Privilege.READ, Privilege.DEPLOY).build();
            Principal group = builders.principalBuilder().name("java-people").privileges(Privilege.READ).build();
            PermissionTarget target = builders.permissionTargetBuilder().name("java-target").repositories(LOCAL).includesPattern("a/**")
                .principals(builders.principalsBuilder().users(user).groups(group).build()).build();
            client.security().createOrReplacePermissionTarget(target);
            PermissionTarget back = client.security().permissionTarget("java-target");
            same(back.getRepositories(), List.of(LOCAL));
            holds(back.getPrincipals().getUser("java-user").isAllowedTo(Privilege.DEPLOY));
            holds(client.security().permissionTargets().contains("java-target"));
        });
        step("item.effectivePermissions.user", () -> holds(client.repository(LOCAL).file("a/one.txt").effectivePermissions().stream()
            .anyMatch(one -> one.getSubject().getName().equals("java-user") && one.isAllowedTo(Privilege.DEPLOY))));
        step("security.refused", () -> {
            try (Artifactory other = connected(url).setUsername("java-user").setPassword("Rosebud-1941").build()) {
                refused(403, () -> other.repository(LOCAL).upload("outside.txt", stream(TEXT)).doUpload());
            }
            try (Artifactory other = connected(url).setUsername("java-user").setPassword("wrong").build()) {
                refused(401, () -> other.repository(LOCAL).file("a/one.txt").info());
            }
        });
        step("security.deletePermissionTarget", () -> holds(client.security().deletePermissionTarget("java-target") != null));
        step("security.deleteUser", () -> holds(client.security().deleteUser("java-user") != null));
        step("security.deleteGroup", () -> holds(client.security().deleteGroup("java-people") != null));
    }

    private void calls() {
        step("restCall", () -> {
            ArtifactoryRequest request = new ArtifactoryRequestImpl().method(ArtifactoryRequest.Method.GET)
                .apiUrl("api/repositories").addQueryParam("type", "local").responseType(ArtifactoryRequest.ContentType.JSON);
            ArtifactoryResponse answer = client.restCall(request);
            holds(answer.isSuccessResponse() && answer.getAllHeaders().length > 0);
            holds(!answer.parseBody(List.class).isEmpty());
        });
        step("restCall.aql", () -> {
            ArtifactoryRequest request = new ArtifactoryRequestImpl().method(ArtifactoryRequest.Method.POST)
                .apiUrl("api/search/aql").requestType(ArtifactoryRequest.ContentType.TEXT)
                .responseType(ArtifactoryRequest.ContentType.JSON).requestBody("items.find({\"repo\":\"" + LOCAL + "\"})");
            holds(client.restCall(request).getRawBody().contains("one.txt"));
        });
        step("streamingRestCall", () -> {
            ArtifactoryRequest request = new ArtifactoryRequestImpl().method(ArtifactoryRequest.Method.GET)
                .apiUrl(LOCAL + "/a/one.txt").responseType(ArtifactoryRequest.ContentType.ANY);
            try (var answer = client.streamingRestCall(request)) {
                same(text(answer.getInputStream()), TEXT);
            }
        });
        step("getInputStream", () -> same(text(client.getInputStream("/" + LOCAL + "/a/one.txt")), TEXT));
        step("execute", () -> {
            var answer = client.execute(new HttpGet(url + "/artifactory/api/system/ping"));
            same(text(answer.getEntity().getContent()), "OK");
        });
        step("get", () -> holds(client.get("/api/system/version", HashMap.class, Map.class).containsKey("version")));
        step("post", () -> client.post("/api/system/usage", ContentType.APPLICATION_JSON, "{\"productId\":\"x\"}", Map.of(), String.class, String.class));
        step("patch", () -> client.patch("/api/metadata/" + LOCAL + "/a/one.txt", ContentType.APPLICATION_JSON,
            "{\"props\":{\"patched\":\"yes\"}}", Map.of(), String.class, String.class));
        step("put", () -> client.put("/" + LOCAL + "/a/put.txt", ContentType.TEXT_PLAIN, null, Map.of(), stream(TEXT), TEXT.length(), String.class, String.class));
        step("delete", () -> client.delete("/" + LOCAL + "/a/put.txt"));
    }

    /** What Entrepot does not have yet. */
    private void later() {
        step("builds.getAllBuilds", () -> holds(client.builds().getAllBuilds().getUri() != null));
        step("plugins.list", () -> holds(client.plugins().list() != null));
        step("plugins.list.type", () -> holds(client.plugins().list(PluginType.executions) != null));
        step("plugins.execute", () -> holds(!client.plugins().execute("none").withParameter("a", "b").sync().contains("errors")));
        step("repository.replicationStatus", () -> holds(client.repository(LOCAL).replicationStatus().getStatus() != null));
        step("repository.replications", () -> {
            client.repository(LOCAL).getReplications().createOrReplace(new LocalReplicationBuilderImpl().url("http://far.invalid/artifactory/x")
                .username("u").password("p").cronExp("0 0 0 1 1 ? 2099").enabled(true).repoKey(LOCAL).socketTimeoutMillis(1000).build());
            client.repository(LOCAL).getReplications().delete();
        });
    }

    private void away() {
        step("repository.delete", () -> {
            for (String key : List.of(VIRTUAL, LOCAL, REMOTE, FEDERATED, MAVEN)) {
                holds(client.repository(key).delete().contains(key));
            }
            holds(!client.repository(LOCAL).exists());
        });
    }

    private static void step(String name, Step body) {
        String told = "ok";
        try {
            body.run();
        } catch (Throwable problem) {
            StackTraceElement[] trace = problem.getStackTrace();
            String where = Arrays.stream(trace).filter(one -> one.getClassName().startsWith("Script")
                && !Set.of("same", "holds", "refused", "fails", "step").contains(one.getMethodName()))
                .map(one -> " (line " + one.getLineNumber() + ")").findFirst().orElse("");
            told = (problem + where).replaceAll("\\s+", " ");
        }
        System.out.println(name + "\t" + told);
    }

    private static void same(Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) {
            throw new AssertionError(found + " is not " + wanted);
        }
    }

    private static void holds(boolean condition) {
        if (!condition) {
            throw new AssertionError("it does not hold");
        }
    }

    private static void fails(Step body) {
        try {
            body.run();
        } catch (Exception expected) {
            return;
        }
        throw new AssertionError("it went through");
    }

    private static void refused(int status, Step body) throws Exception {
        try {
            body.run();
        } catch (org.apache.http.client.HttpResponseException problem) {
            same(problem.getStatusCode(), status);
            return;
        }
        throw new AssertionError("it went through");
    }

    private static InputStream stream(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String text(InputStream stream) throws Exception {
        try (stream) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static byte[] zipped() throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream archive = new ZipOutputStream(bytes)) {
            for (String name : List.of("1.txt", "2.txt", "3.txt")) {
                archive.putNextEntry(new ZipEntry(name));
                archive.write(name.getBytes(StandardCharsets.UTF_8));
                archive.closeEntry();
            }
        }
        return bytes.toByteArray();
    }
}
